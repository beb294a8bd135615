#include "extract/preprocess.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace clipsweep {
namespace {

constexpr std::array<float, 3> kMean{0.48145466f, 0.4578275f, 0.40821073f};
constexpr std::array<float, 3> kStd{0.26862954f, 0.26130258f, 0.27577711f};

// Every 8-bit level through (v / 255 - mean) / std, in the reference's float32 steps.
std::array<std::array<float, 256>, 3> MakeLevels() {
  std::array<std::array<float, 256>, 3> levels{};
  for (std::size_t c = 0; c < 3; ++c) {
    for (int v = 0; v < 256; ++v) {
      levels[c][static_cast<std::size_t>(v)] = (static_cast<float>(v) / 255.0f - kMean[c]) / kStd[c];
    }
  }
  return levels;
}

// torchvision's center_crop: Python's round, half to even.
std::int64_t CropStart(std::int64_t side, std::int64_t n) {
  return static_cast<std::int64_t>(std::nearbyint(static_cast<double>(side - n) / 2.0));
}

}  // namespace

Size2 ResizedShape(std::int64_t height, std::int64_t width, std::int64_t n) {
  const auto longer = [n](std::int64_t large, std::int64_t small) {
    return static_cast<std::int64_t>(static_cast<double>(n) * static_cast<double>(large) /
                                     static_cast<double>(small));
  };
  if (height < width) return {n, longer(width, height)};
  return {longer(height, width), n};
}

Image ResizeAndCrop(const Image& image, int n) {
  const Size2 to = ResizedShape(image.height, image.width, n);
  auto pixels = at::from_blob(const_cast<std::uint8_t*>(image.rgb.data()),
                              {1, image.height, image.width, 3}, at::kByte)
                    .permute({0, 3, 1, 2});  // channels-last view: the fast 8-bit path
  if (to.height != image.height || to.width != image.width) {
    pixels = at::_upsample_bicubic2d_aa(pixels, {to.height, to.width}, /*align_corners=*/false);
  }
  const auto cropped = pixels.narrow(2, CropStart(to.height, n), n)
                           .narrow(3, CropStart(to.width, n), n)
                           .permute({0, 2, 3, 1})
                           .contiguous();
  Image out;
  out.width = out.height = n;
  const auto* data = cropped.const_data_ptr<std::uint8_t>();
  out.rgb.assign(data, data + cropped.numel());
  return out;
}

void Preprocess(const Image& image, int n, float* out) {
  static const auto kLevels = MakeLevels();
  const Image square = ResizeAndCrop(image, n);
  const std::size_t plane = static_cast<std::size_t>(n) * static_cast<std::size_t>(n);
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t i = 0; i < plane; ++i) out[c * plane + i] = kLevels[c][square.rgb[3 * i + c]];
  }
}

}  // namespace clipsweep
