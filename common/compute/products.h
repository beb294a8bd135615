// Float32 products on tensors that change from call to call, by the library that is fast on this
// processor: LibTorch's BLAS (MKL) on Intel's, which it is made for, and on GPUs; oneDNN on other
// CPUs, where MKL runs at half the speed. Layers with fixed weights are in layers.h, products that
// may be rounded in bounded_product.h.
#pragma once

#include <ATen/core/Tensor.h>

namespace clipsweep {

enum class ProductLibrary { kBlas, kOneDnn };

// The same in every run on a processor.
ProductLibrary LibraryOf(const at::Tensor& tensor);

// scale a b^T + shift: a [m, k], b [n, k] -> [m, n], a new tensor.
at::Tensor TimesTransposed(const at::Tensor& a, const at::Tensor& b, ProductLibrary library,
                           double scale = 1, double shift = 0);
inline at::Tensor TimesTransposed(const at::Tensor& a, const at::Tensor& b, double scale = 1,
                                  double shift = 0) {
  return TimesTransposed(a, b, LibraryOf(a), scale, shift);
}

}  // namespace clipsweep
