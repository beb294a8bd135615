#include "sweep/math/affinity.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace clipsweep {
namespace {

constexpr std::int64_t kMostSamples = 256, kFewestSamples = 16;
constexpr std::int64_t kBlockBytes = std::int64_t{64} << 20;

at::Tensor Rows(const float* data, std::int64_t count, std::int64_t width) {
  return at::from_blob(const_cast<float*>(data), {count, width}, at::kFloat);
}

}  // namespace

std::int64_t BlockSamples(std::int64_t keys) {
  const std::int64_t fit = kBlockBytes / (4 * std::max<std::int64_t>(keys, 1));
  return std::clamp(fit, kFewestSamples, kMostSamples);
}

std::vector<bool> UsedRows(const Problem& problem, const std::vector<GridTask>& tasks) {
  std::vector<bool> used(problem.key_labels.size(), false);
  for (const GridTask& task : tasks) {
    for (const auto& rows : task.rows_by_class) {
      for (const std::int64_t row : UsedOf(task, rows))
        used.at(static_cast<std::size_t>(row)) = true;
    }
  }
  return used;
}

KeyColumns::KeyColumns(const Problem& problem, const std::vector<GridTask>& tasks)
    : problem_(problem), column_of_row_(problem.key_labels.size(), -1) {
  const std::vector<bool> used = UsedRows(problem, tasks);
  std::vector<std::int64_t> rows;  // of the columns
  for (std::size_t row = 0; row < used.size(); ++row) {
    all_ += used[row] ? 1 : 0;
    const auto number = static_cast<std::int64_t>(row);
    if (used[row] && problem.Holds(number)) rows.push_back(number);
  }
  const auto label = [&](std::int64_t row) {
    return problem.key_labels[static_cast<std::size_t>(row)];
  };
  std::stable_sort(rows.begin(), rows.end(),
                   [&](std::int64_t a, std::int64_t b) { return label(a) < label(b); });
  count_ = static_cast<std::int64_t>(rows.size());
  bool in_order = true;
  std::int64_t tile = -1;
  for (std::int64_t column = 0; column < count_; ++column) {
    const std::int64_t row = rows[static_cast<std::size_t>(column)];
    column_of_row_[static_cast<std::size_t>(row)] = column;
    in_order = in_order && problem.Key(row) == problem.keys.data() + column * problem.width;
    if (label(row) / kTileClasses != tile) tile_start_.push_back(column);
    tile = label(row) / kTileClasses;
  }
  tile_start_.push_back(count_);
  if (in_order) return;
  copy_.reserve(static_cast<std::size_t>(count_ * problem.width));
  for (const std::int64_t row : rows) {
    copy_.insert(copy_.end(), problem.Key(row), problem.Key(row) + problem.width);
  }
}

std::vector<std::vector<std::int64_t>> KeyColumns::ColumnsOf(const GridTask& task) const {
  std::vector<std::vector<std::int64_t>> columns = task.rows_by_class;
  for (auto& rows : columns) {
    rows.resize(UsedOf(task, rows).size());
    for (std::int64_t& row : rows) row = column_of_row_[static_cast<std::size_t>(row)];
    std::erase(rows, -1);
  }
  return columns;
}

void KeyColumns::Multiply(const Queries& queries, std::int64_t first, std::int64_t first_tile,
                          std::int64_t last_tile, at::Tensor& affinity) const {
  const at::Tensor f =
      Rows(queries.features.data() + first * problem_.width, affinity.size(0), problem_.width);
  const float* keys = Data();
  for (std::int64_t tile = first_tile; tile < last_tile; ++tile) {
    const std::int64_t start = tile_start_[static_cast<std::size_t>(tile)];
    const std::int64_t columns = tile_start_[static_cast<std::size_t>(tile + 1)] - start;
    at::Tensor part = affinity.narrow(1, start, columns);
    at::mm_out(part, f, Rows(keys + start * problem_.width, columns, problem_.width).t());
  }
}

at::Tensor ZeroShotLogits(const Problem& problem, const Queries& queries, std::int64_t first,
                          std::int64_t count) {
  const at::Tensor f = Rows(queries.features.data() + first * problem.width, count, problem.width);
  return at::mm(f, Rows(problem.text.data(), problem.classes, problem.width).t()).mul_(kLogitScale);
}

}  // namespace clipsweep
