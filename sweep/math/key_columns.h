// The keys that a pass over the samples meets, class by class.
#pragma once

#include <cstdint>
#include <vector>

#include "sweep/math/cache_model.h"

namespace clipsweep {

// Whether some task uses a row of the cache as a key: [K].
std::vector<bool> UsedRows(const CacheModel& cache_model, const std::vector<GridTask>& tasks);

// Classes are dealt to ranks in groups of this many.
inline constexpr std::int64_t kTileClasses = 16;

// The keys that some task uses and this rank holds, class by class: its columns.
class KeyColumns {
 public:
  // Keeps a reference to `cache_model`; copies keys only when they are not in that order already.
  KeyColumns(const CacheModel& cache_model, const std::vector<GridTask>& tasks);

  std::int64_t count() const { return start_.back(); }
  // Of all ranks together where they hold different classes.
  std::int64_t all() const { return all_; }
  // The columns of class c: [StartOf(c), StartOf(c + 1)).
  std::int64_t StartOf(std::int64_t c) const { return start_[static_cast<std::size_t>(c)]; }
  std::int64_t CountOf(std::int64_t c) const { return StartOf(c + 1) - StartOf(c); }
  // rows_by_class of `task`, cut to its largest shot count, as columns; classes that this rank does
  // not hold are empty.
  std::vector<std::vector<std::int64_t>> ColumnsOf(const GridTask& task) const;
  // [count(), D] in the columns' order.
  const float* Data() const { return copy_.empty() ? cache_model_.keys.data() : copy_.data(); }
  const float* Key(std::int64_t column) const { return Data() + column * cache_model_.width; }

 private:
  const CacheModel& cache_model_;
  std::int64_t all_ = 0;
  std::vector<std::int64_t> column_of_row_;  // [K] or -1
  std::vector<std::int64_t> start_;          // [C + 1]
  std::vector<float> copy_;  // [count, D], empty when cache_model.keys is just those in that order
};

}  // namespace clipsweep
