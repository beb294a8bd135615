// oneDNN's operators inside LibTorch, which no C++ header of it names. Inference on a CPU only.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string_view>

namespace clipsweep::onednn {

// Whether this LibTorch and processor have them for a type.
bool Has(at::ScalarType type);

// Weights made ready: [out, in]; [out, in, k, k]. No empty ones.
at::Tensor PackLinear(const at::Tensor& weight);
at::Tensor PackConvolution(const at::Tensor& weight, std::int64_t stride, std::int64_t padding);

// `then`: "none", "relu", "gelu" (by erf) or "swish".
at::Tensor Linear(const at::Tensor& x, const at::Tensor& weight,
                  const std::optional<at::Tensor>& bias, std::string_view then);
// The same plus `other`.
at::Tensor LinearAdd(const at::Tensor& x, const at::Tensor& other, const at::Tensor& weight,
                     const std::optional<at::Tensor>& bias);
at::Tensor Convolution(const at::Tensor& x, const at::Tensor& weight,
                       const std::optional<at::Tensor>& bias, std::int64_t stride,
                       std::int64_t padding, std::string_view then);
// relu(convolution + other), written into `other`.
void ConvolutionAddRelu(at::Tensor& other, const at::Tensor& x, const at::Tensor& weight,
                        const std::optional<at::Tensor>& bias, std::int64_t stride,
                        std::int64_t padding);

}  // namespace clipsweep::onednn
