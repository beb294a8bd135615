// Exact affinities where they are needed: of some samples with the keys of some classes.
#pragma once

#include <cstdint>
#include <vector>

#include "sweep/math/key_columns.h"

namespace clipsweep {

// A class that a sample meets.
struct Rival {
  std::int32_t sample;  // of the queries
  std::int32_t number;  // of the class
};

// For each of some rivals, z = scale f . w and the affinities f . k with all keys of its class that
// are here. Every value depends on its two rows alone (sweep/kernels/dot_products.h).
class RivalRows {
 public:
  RivalRows(const CacheModel& cache_model, const Queries& queries, const KeyColumns& keys)
      : cache_model_(cache_model), queries_(queries), keys_(keys) {}

  // Replaces what was there.
  void Compute(const std::vector<Rival>& rivals);

  // Numbers a rival takes here.
  std::int64_t SizeOf(std::int64_t c) const { return keys_.CountOf(c) + 1; }
  // Of rival i of the last Compute: [keys of its class], in columns' order.
  const float* Affinity(std::size_t i) const { return values_.data() + start_[i]; }
  float Z(std::size_t i) const { return z_[i]; }

 private:
  const CacheModel& cache_model_;
  const Queries& queries_;
  const KeyColumns& keys_;
  std::vector<float> values_, z_;
  std::vector<std::int64_t> start_;
  std::vector<std::int32_t> order_, first_of_class_;  // rivals by class
};

}  // namespace clipsweep
