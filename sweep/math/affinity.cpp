#include "sweep/math/affinity.h"
#include "common/compute/tensors.h"

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

std::vector<bool> UsedRows(const CacheModel& cache_model, const std::vector<GridTask>& tasks) {
  std::vector<bool> used(cache_model.key_labels.size(), false);
  for (const GridTask& task : tasks) {
    for (const auto& rows : task.rows_by_class) {
      for (const std::int64_t row : UsedOf(task, rows))
        used.at(static_cast<std::size_t>(row)) = true;
    }
  }
  return used;
}

KeyColumns::KeyColumns(const CacheModel& cache_model, const std::vector<GridTask>& tasks)
    : cache_model_(cache_model), column_of_row_(cache_model.key_labels.size(), -1) {
  const std::vector<bool> used = UsedRows(cache_model, tasks);
  std::vector<std::int64_t> rows;  // of the columns
  for (std::size_t row = 0; row < used.size(); ++row) {
    all_ += used[row] ? 1 : 0;
    const auto number = static_cast<std::int64_t>(row);
    if (used[row] && cache_model.Holds(number)) rows.push_back(number);
  }
  const auto label = [&](std::int64_t row) {
    return cache_model.key_labels[static_cast<std::size_t>(row)];
  };
  std::stable_sort(rows.begin(), rows.end(),
                   [&](std::int64_t a, std::int64_t b) { return label(a) < label(b); });
  count_ = static_cast<std::int64_t>(rows.size());
  bool in_order = true;
  std::int64_t tile = -1;
  for (std::int64_t column = 0; column < count_; ++column) {
    const std::int64_t row = rows[static_cast<std::size_t>(column)];
    column_of_row_[static_cast<std::size_t>(row)] = column;
    in_order =
        in_order && cache_model.Key(row) == cache_model.keys.data() + column * cache_model.width;
    if (label(row) / kTileClasses != tile) tile_start_.push_back(column);
    tile = label(row) / kTileClasses;
  }
  tile_start_.push_back(count_);
  if (in_order) return;
  copy_.reserve(static_cast<std::size_t>(count_ * cache_model.width));
  for (const std::int64_t row : rows) {
    copy_.insert(copy_.end(), cache_model.Key(row), cache_model.Key(row) + cache_model.width);
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
  const at::Tensor f = Rows(queries.features.data() + first * cache_model_.width, affinity.size(0),
                            cache_model_.width);
  const float* keys = Data();
  for (std::int64_t tile = first_tile; tile < last_tile; ++tile) {
    const std::int64_t start = tile_start_[static_cast<std::size_t>(tile)];
    const std::int64_t columns = tile_start_[static_cast<std::size_t>(tile + 1)] - start;
    at::Tensor part = affinity.narrow(1, start, columns);
    at::mm_out(part, f, Rows(keys + start * cache_model_.width, columns, cache_model_.width).t());
  }
}

at::Tensor ZeroShotLogits(const CacheModel& cache_model, const Queries& queries, std::int64_t first,
                          std::int64_t count) {
  const at::Tensor f =
      Rows(queries.features.data() + first * cache_model.width, count, cache_model.width);
  return at::mm(f, Rows(cache_model.text.data(), cache_model.classes, cache_model.width).t())
      .mul_(kLogitScale);
}

}  // namespace clipsweep
