// Where and in which arithmetic an encoder computes.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

namespace clipsweep {

struct EncoderOptions {
  at::Device device{at::kCPU};
  at::ScalarType precision = at::kFloat;

  // A float32 weight as the encoder keeps it.
  at::Tensor Place(const at::Tensor& weight) const { return weight.to(device, precision); }
};

// "f32", "f16" or "bf16". Throws UsageError naming --precision.
at::ScalarType ParsePrecision(const std::string& text);

}  // namespace clipsweep
