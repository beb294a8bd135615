#include "common/compute/layers.h"

#include <optional>
#include <string_view>

#include "common/compute/onednn.h"
#include "common/compute/tensors.h"

namespace clipsweep {
namespace {

constexpr std::string_view kNames[] = {"none", "relu", "gelu", "swish"};  // of Then

std::string_view NameOf(Then then) { return kNames[static_cast<std::size_t>(then)]; }

at::Tensor Follow(at::Tensor y, Then then) {
  switch (then) {
    case Then::kNothing: break;
    case Then::kRelu: return y.relu_();
    case Then::kGelu: return at::gelu(y);
    case Then::kSwish: return y * at::sigmoid(y);
  }
  return y;
}

std::optional<at::Tensor> Maybe(const at::Tensor& tensor) {
  return tensor.defined() ? std::optional(tensor) : std::nullopt;
}

bool CanPack(const at::Tensor& weight) {
  return weight.is_cpu() && onednn::Has(weight.scalar_type());
}

}  // namespace

Linear::Linear(const at::Tensor& weight, const at::Tensor& bias)
    : weight_(weight), bias_(bias), packed_(CanPack(weight)) {
  if (packed_) weight_ = onednn::PackLinear(weight.contiguous());
}

at::Tensor Linear::Apply(const at::Tensor& x, Then then) const {
  if (packed_) return onednn::Linear(x, weight_, Maybe(bias_), NameOf(then));
  return Follow(at::linear(x, weight_, Maybe(bias_)), then);
}

at::Tensor Linear::ApplyAndAdd(const at::Tensor& x, const at::Tensor& other) const {
  if (packed_) return onednn::LinearAdd(x, other, weight_, Maybe(bias_));
  return other + at::linear(x, weight_, Maybe(bias_));
}

Convolution::Convolution(const at::Tensor& weight, const at::Tensor& bias, std::int64_t stride,
                         std::int64_t padding)
    : weight_(weight.contiguous(at::MemoryFormat::ChannelsLast)),
      bias_(bias),
      stride_(stride),
      padding_(padding),
      packed_(CanPack(weight)) {
  if (packed_) weight_ = onednn::PackConvolution(weight.contiguous(), stride, padding);
}

at::Tensor Convolution::Apply(const at::Tensor& x, Then then) const {
  if (packed_)
    return onednn::Convolution(x, weight_, Maybe(bias_), stride_, padding_, NameOf(then));
  return Follow(at::conv2d(x, weight_, Maybe(bias_), stride_, padding_), then);
}

at::Tensor Convolution::ApplyAddRelu(const at::Tensor& x, at::Tensor other) const {
  if (packed_) {
    onednn::ConvolutionAddRelu(other, x, weight_, Maybe(bias_), stride_, padding_);
    return other;
  }
  return at::conv2d(x, weight_, Maybe(bias_), stride_, padding_).add_(other).relu_();
}

}  // namespace clipsweep
