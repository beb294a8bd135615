// The products: a block of samples against keys and text weights.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "sweep/math/cache_model.h"

namespace clipsweep {

// CLIP's exp(logit_scale) as the official code writes it.
inline constexpr float kLogitScale = 100.0f;

// Samples in a block. A function of the model alone, so that a sample's products, whose last bits
// may depend on the shape of the block, are the same however the work is cut; a block's affinity is
// at most 64 MB.
std::int64_t BlockSamples(std::int64_t keys);
inline std::int64_t BlocksOf(std::int64_t samples, std::int64_t in_block) {
  return (samples + in_block - 1) / in_block;
}

// Whether some task uses a row of the cache as a key: [K].
std::vector<bool> UsedRows(const CacheModel& cache_model, const std::vector<GridTask>& tasks);

// Classes whose keys make a tile; a rank holds whole tiles.
inline constexpr std::int64_t kTileClasses = 16;

// The keys that some task uses and this rank holds, class by class; only those take part in the
// product. The product is made in tiles, one a group of 16 classes, so that a class's columns have
// the same bits whichever classes a rank holds.
class KeyColumns {
 public:
  // Keeps a reference to `cache_model`; copies keys only when they are not in that order already.
  KeyColumns(const CacheModel& cache_model, const std::vector<GridTask>& tasks);

  std::int64_t count() const { return count_; }
  // Of all ranks together where they hold different classes.
  std::int64_t all() const { return all_; }
  std::int64_t tiles() const { return static_cast<std::int64_t>(tile_start_.size()) - 1; }
  // rows_by_class of `task`, cut to its largest shot count, as columns of the affinity; classes
  // that this rank does not hold are empty.
  std::vector<std::vector<std::int64_t>> ColumnsOf(const GridTask& task) const;
  // [count(), D] in the columns' order.
  const float* Data() const { return copy_.empty() ? cache_model_.keys.data() : copy_.data(); }
  // Writes f F^T of the samples first.. into the tiles [first_tile, last_tile) of `affinity`
  // [count, count()].
  void Multiply(const Queries& queries, std::int64_t first, std::int64_t first_tile,
                std::int64_t last_tile, at::Tensor& affinity) const;

 private:
  const CacheModel& cache_model_;
  std::int64_t count_ = 0, all_ = 0;
  std::vector<std::int64_t> column_of_row_;  // [K] or -1
  std::vector<std::int64_t> tile_start_;     // [tiles + 1] columns
  std::vector<float> copy_;  // [count, D], empty when cache_model.keys is just those in that order
};

// 100 f W^T of the samples: [count, C].
at::Tensor ZeroShotLogits(const CacheModel& cache_model, const Queries& queries, std::int64_t first,
                          std::int64_t count);

}  // namespace clipsweep
