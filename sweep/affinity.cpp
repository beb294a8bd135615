#include "sweep/affinity.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace clipsweep {
namespace {

constexpr float kLogitScale = 100.0f;
constexpr std::int64_t kMostSamples = 256, kFewestSamples = 16;
constexpr std::int64_t kBlockBytes = std::int64_t{64} << 20;

std::size_t Used(const GridTask& task, const std::vector<std::int64_t>& rows) {
  return std::min(rows.size(), static_cast<std::size_t>(task.shots.back()));
}

}  // namespace

std::int64_t BlockSamples(std::int64_t keys) {
  const std::int64_t fit = kBlockBytes / (4 * std::max<std::int64_t>(keys, 1));
  return std::clamp(fit, kFewestSamples, kMostSamples);
}

KeyColumns::KeyColumns(const Problem& problem, const std::vector<GridTask>& tasks)
    : problem_(problem), column_of_row_(problem.key_labels.size(), -1) {
  for (const GridTask& task : tasks) {
    for (const auto& rows : task.rows_by_class) {
      for (std::size_t i = 0; i < Used(task, rows); ++i) {
        column_of_row_.at(static_cast<std::size_t>(rows[i])) = 0;
      }
    }
  }
  count_ = std::count(column_of_row_.begin(), column_of_row_.end(), 0);
  if (count_ == static_cast<std::int64_t>(column_of_row_.size())) {
    column_of_row_.clear();
    return;
  }
  keys_.reserve(static_cast<std::size_t>(count_ * problem.width));
  std::int64_t column = 0;
  for (std::size_t row = 0; row < column_of_row_.size(); ++row) {
    if (column_of_row_[row] < 0) continue;
    column_of_row_[row] = column++;
    const auto from = problem.keys.begin() + static_cast<std::ptrdiff_t>(row) * problem.width;
    keys_.insert(keys_.end(), from, from + problem.width);
  }
}

const float* KeyColumns::data() const {
  return column_of_row_.empty() ? problem_.keys.data() : keys_.data();
}

std::vector<std::vector<std::int64_t>> KeyColumns::ColumnsOf(const GridTask& task) const {
  std::vector<std::vector<std::int64_t>> columns = task.rows_by_class;
  for (auto& rows : columns) {
    rows.resize(Used(task, rows));
    if (column_of_row_.empty()) continue;
    for (std::int64_t& row : rows) row = column_of_row_[static_cast<std::size_t>(row)];
  }
  return columns;
}

at::Tensor Product(const Queries& queries, std::int64_t width, std::int64_t first,
                   std::int64_t count, const float* rows, std::int64_t row_count) {
  const auto wrap = [width](const float* data, std::int64_t n) {
    return at::from_blob(const_cast<float*>(data), {n, width}, at::kFloat);
  };
  return at::mm(wrap(queries.features.data() + first * width, count), wrap(rows, row_count).t());
}

at::Tensor ZeroShotLogits(const Problem& problem, const Queries& queries, std::int64_t first,
                          std::int64_t count) {
  return Product(queries, problem.width, first, count, problem.text.data(), problem.classes)
      .mul_(kLogitScale);
}

}  // namespace clipsweep
