// Solves (K / lambda + I) A = R for a kernel matrix K of all pairs of keys, by a blocked Cholesky
// in float32: fixed tiles, one thread each, so that the bits depend on no number of threads.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace clipsweep {

// Bytes that a system of `keys` keys and `classes` columns needs besides the keys themselves.
double KernelSystemBytes(std::int64_t keys, std::int64_t classes);

// keys [K, D] unit rows; right [K, C] -> A [K, C], K_ij = exp(-beta (1 - x_i . x_j)). Throws
// InputError when the matrix is not positive definite in float32.
at::Tensor SolveKernelSystem(const at::Tensor& keys, double beta, double lambda,
                             const at::Tensor& right, int workers);

}  // namespace clipsweep
