// The products: a block of samples against keys and text weights.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "sweep/problem.h"

namespace clipsweep {

// Samples in a block. A function of the problem alone, so that a sample's products, whose last bits
// may depend on the shape of the block, are the same however the work is cut; a block's affinity is
// at most 64 MB.
std::int64_t BlockSamples(std::int64_t keys);

// The keys that some task uses; only those take part in the product.
class KeyColumns {
 public:
  // Keeps a reference to `problem`; copies keys only when not all are used.
  KeyColumns(const Problem& problem, const std::vector<GridTask>& tasks);

  std::int64_t count() const { return count_; }
  const float* data() const;
  // rows_by_class of `task`, cut to its largest shot count, as columns of the affinity.
  std::vector<std::vector<std::int64_t>> ColumnsOf(const GridTask& task) const;

 private:
  const Problem& problem_;
  std::int64_t count_ = 0;
  std::vector<std::int64_t> column_of_row_;  // [K] or -1; empty: column = row
  std::vector<float> keys_;                  // [count, D], empty when all keys are used
};

// f [count, D] (samples first..) x rows [rows, D]^T -> [count, rows], float32.
at::Tensor Product(const Queries& queries, std::int64_t width, std::int64_t first,
                   std::int64_t count, const float* rows, std::int64_t row_count);

// 100 f W^T of the samples: [count, C].
at::Tensor ZeroShotLogits(const Problem& problem, const Queries& queries, std::int64_t first,
                          std::int64_t count);

}  // namespace clipsweep
