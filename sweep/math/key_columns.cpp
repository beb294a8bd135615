#include "sweep/math/key_columns.h"

#include <algorithm>
#include <numeric>

namespace clipsweep {

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
  const auto count = static_cast<std::int64_t>(rows.size());
  bool in_order = true;
  start_.assign(static_cast<std::size_t>(cache_model.classes) + 1, 0);
  for (std::int64_t column = 0; column < count; ++column) {
    const std::int64_t row = rows[static_cast<std::size_t>(column)];
    column_of_row_[static_cast<std::size_t>(row)] = column;
    in_order =
        in_order && cache_model.Key(row) == cache_model.keys.data() + column * cache_model.width;
    ++start_[static_cast<std::size_t>(label(row)) + 1];
  }
  std::partial_sum(start_.begin(), start_.end(), start_.begin());
  if (in_order) return;
  copy_.reserve(static_cast<std::size_t>(count * cache_model.width));
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

}  // namespace clipsweep
