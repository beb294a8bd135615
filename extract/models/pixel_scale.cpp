#include "extract/models/pixel_scale.h"
#include "common/compute/tensors.h"

namespace clipsweep {

PixelScale::PixelScale(const ModelConfig& config, const EncoderOptions& options)
    : options_(options) {
  for (std::size_t v = 0; v < 256; ++v) {
    for (std::size_t c = 0; c < 3; ++c) {
      levels_[v][c] = (static_cast<float>(v) / 255.0f - config.mean[c]) / config.deviation[c];
    }
  }
  // Tensors, not numbers: ATen divides by a number on a GPU by multiplying with its reciprocal.
  const auto on_device = [&](const std::array<float, 3>& colour) {
    return at::tensor(at::ArrayRef<float>(colour)).to(options.device);
  };
  full_ = at::full({1}, 255.0f).to(options.device);
  mean_ = on_device(config.mean);
  deviation_ = on_device(config.deviation);
}

at::Tensor PixelScale::Apply(const at::Tensor& pixels) const {
  const at::Tensor scaled = options_.device.is_cpu()
                                ? ApplyOnCpu(pixels)
                                : (pixels.to(at::kFloat) / full_ - mean_) / deviation_;
  // Channels are last in memory already.
  return scaled.to(options_.precision).permute({0, 3, 1, 2});
}

at::Tensor PixelScale::ApplyOnCpu(const at::Tensor& pixels) const {
  at::Tensor scaled = at::empty(pixels.sizes(), at::kFloat);
  const auto* in = pixels.const_data_ptr<std::uint8_t>();
  auto* out = scaled.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < pixels.numel(); i += 3) {
    for (std::int64_t c = 0; c < 3; ++c) {
      out[i + c] = levels_[in[i + c]][static_cast<std::size_t>(c)];
    }
  }
  return scaled;
}

}  // namespace clipsweep
