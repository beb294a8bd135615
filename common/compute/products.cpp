#include "common/compute/products.h"

#include "common/compute/onednn.h"
#include "common/compute/processor.h"
#include "common/compute/tensors.h"

namespace clipsweep {

ProductLibrary LibraryOf(const at::Tensor& tensor) {
  static const bool faster = !IsIntel() && onednn::Has(at::kFloat);
  return faster && tensor.is_cpu() && tensor.scalar_type() == at::kFloat ? ProductLibrary::kOneDnn
                                                                         : ProductLibrary::kBlas;
}

at::Tensor TimesTransposed(const at::Tensor& a, const at::Tensor& b, ProductLibrary library,
                           double scale, double shift) {
  if (library == ProductLibrary::kBlas || a.numel() == 0 || b.numel() == 0) {
    if (shift == 0) {
      const at::Tensor product = at::mm(a, b.t());
      return scale == 1 ? product : product.mul_(scale);
    }
    return at::addmm(at::full({1}, shift, a.options()), a, b.t(), 1.0, scale);
  }
  const at::Tensor left = scale == 1 ? a.contiguous() : a.mul(scale);
  std::optional<at::Tensor> bias;
  if (shift != 0) bias = at::full({b.size(0)}, shift, b.options());
  return onednn::Linear(left.contiguous(), b.contiguous(), bias, "none");
}

}  // namespace clipsweep
