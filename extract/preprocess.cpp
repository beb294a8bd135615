#include "extract/preprocess.h"

#include <array>
#include <cmath>

#include "extract/resample.h"

namespace clipsweep {
namespace {

constexpr std::array<float, 3> kMean{0.48145466f, 0.4578275f, 0.40821073f};
constexpr std::array<float, 3> kStd{0.26862954f, 0.26130258f, 0.27577711f};

// Every 8-bit level through (v / 255 - mean) / std, in the reference's float32 steps.
std::array<std::array<float, 256>, 3> MakeLevels() {
  std::array<std::array<float, 256>, 3> levels{};
  for (std::size_t c = 0; c < 3; ++c) {
    for (int v = 0; v < 256; ++v) {
      levels[c][static_cast<std::size_t>(v)] =
          (static_cast<float>(v) / 255.0f - kMean[c]) / kStd[c];
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
  return ResizeWindow(image, to.width, to.height,
                      {CropStart(to.width, n), CropStart(to.height, n), n, n});
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
