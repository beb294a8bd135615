#include "common/compute/onednn.h"

#include <ATen/core/dispatch/Dispatcher.h>

#include "common/compute/tensors.h"

namespace clipsweep::onednn {
namespace {

using Scalars = c10::List<std::optional<at::Scalar>>;
using MaybeTensor = std::optional<at::Tensor>;
using MaybeText = std::optional<c10::string_view>;

template <typename Function>
auto Find(const char* name, const char* overload = "") {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, overload).typed<Function>();
}

bool Works(at::ScalarType type) {
  try {
    const at::Tensor rows = at::ones({16, 16}, type);
    Linear(rows, PackLinear(rows), std::nullopt, "none");
    const at::Tensor pictures = at::ones({1, 16, 4, 4}, type);
    const at::Tensor weight = PackConvolution(at::ones({16, 16, 1, 1}, type), 1, 0);
    Convolution(pictures, weight, std::nullopt, 1, 0, "none");
    return true;
  } catch (const c10::Error&) {
    return false;
  }
}

}  // namespace

bool Has(at::ScalarType type) {
  if (type == at::kFloat) {
    static const bool works = Works(at::kFloat);
    return works;
  }
  if (type != at::kBFloat16) return false;
  static const bool works = Works(at::kBFloat16);
  return works;
}

at::Tensor PackLinear(const at::Tensor& weight) {
  static const auto pack = Find<at::Tensor(const at::Tensor&, std::optional<std::int64_t>)>(
      "mkldnn::_reorder_linear_weight");
  return pack.call(weight, std::nullopt);
}

at::Tensor PackConvolution(const at::Tensor& weight, std::int64_t stride, std::int64_t padding) {
  static const auto pack = Find<at::Tensor(const at::Tensor&, at::IntArrayRef, at::IntArrayRef,
                                           at::IntArrayRef, std::int64_t, at::OptionalIntArrayRef)>(
      "mkldnn::_reorder_convolution_weight");
  return pack.call(weight, {padding, padding}, {stride, stride}, {1, 1}, 1, std::nullopt);
}

at::Tensor Linear(const at::Tensor& x, const at::Tensor& weight, const MaybeTensor& bias,
                  std::string_view then) {
  static const auto linear =
      Find<at::Tensor(const at::Tensor&, const at::Tensor&, const MaybeTensor&, c10::string_view,
                      Scalars, MaybeText)>("mkldnn::_linear_pointwise");
  const MaybeText algorithm = then == "gelu" ? MaybeText("none") : MaybeText();
  return linear.call(x, weight, bias, then, Scalars(), algorithm);
}

at::Tensor LinearAdd(const at::Tensor& x, const at::Tensor& other, const at::Tensor& weight,
                     const MaybeTensor& bias) {
  static const auto linear =
      Find<at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&, const MaybeTensor&,
                      c10::string_view)>("mkldnn::_linear_pointwise", "binary");
  return linear.call(x, other, weight, bias, "add");
}

at::Tensor Convolution(const at::Tensor& x, const at::Tensor& weight, const MaybeTensor& bias,
                       std::int64_t stride, std::int64_t padding, std::string_view then) {
  static const auto convolution =
      Find<at::Tensor(const at::Tensor&, const at::Tensor&, const MaybeTensor&, at::IntArrayRef,
                      at::IntArrayRef, at::IntArrayRef, std::int64_t, c10::string_view, Scalars,
                      MaybeText)>("mkldnn::_convolution_pointwise");
  return convolution.call(x, weight, bias, {padding, padding}, {stride, stride}, {1, 1}, 1, then,
                          Scalars(), std::nullopt);
}

void ConvolutionAddRelu(at::Tensor& other, const at::Tensor& x, const at::Tensor& weight,
                        const MaybeTensor& bias, std::int64_t stride, std::int64_t padding) {
  static const auto convolution =
      Find<at::Tensor&(at::Tensor&, const at::Tensor&, const at::Tensor&, const MaybeTensor&,
                       at::IntArrayRef, at::IntArrayRef, at::IntArrayRef, std::int64_t,
                       c10::string_view, std::optional<at::Scalar>, MaybeText, Scalars, MaybeText)>(
          "mkldnn::_convolution_pointwise_", "binary");
  convolution.call(other, x, weight, bias, {padding, padding}, {stride, stride}, {1, 1}, 1, "add",
                   std::nullopt, "relu", Scalars(), std::nullopt);
}

}  // namespace clipsweep::onednn
