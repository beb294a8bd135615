// 8-bit pixels to what an encoder takes: (v / 255 - mean) / deviation in the reference's float32
// steps.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>

#include "extract/checkpoints/model_config.h"
#include "extract/models/encoder_options.h"

namespace clipsweep {

class PixelScale {
 public:
  PixelScale(const ModelConfig& config, const EncoderOptions& options);

  // pixels [B, n, n, 3] uint8 on the options' device -> [B, 3, n, n] there, channels-last, in the
  // options' precision.
  at::Tensor Apply(const at::Tensor& pixels) const;

 private:
  at::Tensor ApplyOnCpu(const at::Tensor& pixels) const;

  EncoderOptions options_;
  std::array<std::array<float, 3>, 256> levels_{};  // every level of every channel
  at::Tensor full_, mean_, deviation_;              // on the device: [1], [3], [3]
};

}  // namespace clipsweep
