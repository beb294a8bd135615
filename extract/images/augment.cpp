#include "extract/images/augment.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace clipsweep {
namespace {

constexpr double kLeastArea = 0.5, kLeastAspect = 3.0 / 4, kMostAspect = 4.0 / 3;
constexpr int kTries = 10;
constexpr std::uint64_t kViewStream = 0x76696577;

double Uniform(Random& random, double low, double high) {
  return low + (high - low) * static_cast<double>(random.Next() >> 11) * 0x1.0p-53;
}

Window CentredCrop(std::int64_t height, std::int64_t width) {
  const double aspect = static_cast<double>(width) / static_cast<double>(height);
  std::int64_t w = width, h = height;
  if (aspect < kLeastAspect) h = std::lround(static_cast<double>(w) / kLeastAspect);
  if (aspect > kMostAspect) w = std::lround(static_cast<double>(h) * kMostAspect);
  return {(width - w) / 2, (height - h) / 2, w, h};
}

}  // namespace

View DrawView(std::int64_t height, std::int64_t width, Random& random) {
  View view{CentredCrop(height, width), false};
  const double area = static_cast<double>(height) * static_cast<double>(width);
  for (int attempt = 0; attempt < kTries; ++attempt) {
    const double target = area * Uniform(random, kLeastArea, 1.0);
    const double aspect = std::exp(Uniform(random, std::log(kLeastAspect), std::log(kMostAspect)));
    const std::int64_t w = std::lround(std::sqrt(target * aspect));
    const std::int64_t h = std::lround(std::sqrt(target / aspect));
    if (w < 1 || h < 1 || w > width || h > height) continue;
    const auto top = random.Below(static_cast<std::uint64_t>(height - h + 1));
    const auto left = random.Below(static_cast<std::uint64_t>(width - w + 1));
    view.crop = {static_cast<std::int64_t>(left), static_cast<std::int64_t>(top), w, h};
    break;
  }
  view.flip = Uniform(random, 0, 1) < 0.5;
  return view;
}

Image MakeView(const Image& image, const View& view, int n) {
  Image crop;
  crop.width = static_cast<int>(view.crop.width);
  crop.height = static_cast<int>(view.crop.height);
  crop.rgb.reserve(static_cast<std::size_t>(3 * view.crop.width * view.crop.height));
  for (std::int64_t y = 0; y < view.crop.height; ++y) {
    const auto row =
        image.rgb.begin() +
        3 * ((view.crop.top + y) * static_cast<std::int64_t>(image.width) + view.crop.left);
    crop.rgb.insert(crop.rgb.end(), row, row + 3 * view.crop.width);
  }
  Image square = ResizeWindow(crop, n, n, {0, 0, n, n});
  if (view.flip) {
    using Pixel = std::array<std::uint8_t, 3>;
    auto* pixels = reinterpret_cast<Pixel*>(square.rgb.data());
    for (int y = 0; y < n; ++y) std::reverse(pixels + y * n, pixels + (y + 1) * n);
  }
  return square;
}

Image AugmentedView(const Image& image, int n, std::uint64_t seed, std::int64_t image_number,
                    std::int64_t view) {
  Random random(seed, kViewStream, static_cast<std::uint64_t>(image_number * kMostViews + view));
  return MakeView(image, DrawView(image.height, image.width, random), n);
}

}  // namespace clipsweep
