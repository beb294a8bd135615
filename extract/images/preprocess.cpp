#include "extract/images/preprocess.h"

#include <cmath>

#include "extract/images/resample.h"

namespace clipsweep {
namespace {

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

}  // namespace clipsweep
