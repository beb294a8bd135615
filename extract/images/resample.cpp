#include "extract/images/resample.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <memory>
#include <vector>

#include "extract/images/resample_rows.h"

namespace clipsweep {
namespace {

double Bicubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
  if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
  return 0.0;
}

// For output positions [start, start + count) of an axis resized from `in` to `out`.
AxisTaps MakeTaps(std::int64_t in, std::int64_t out, std::int64_t start, std::int64_t count) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double stretch = std::max(scale, 1.0);  // antialiasing widens the filter when shrinking
  const double support = 2.0 * stretch;
  AxisTaps axis;
  axis.same = in == out;
  if (axis.same) {
    for (std::int64_t i = start; i < start + count; ++i) axis.taps.push_back({i, 1, 0});
    return axis;
  }
  std::vector<double> weights;
  for (std::int64_t position = start; position < start + count; ++position) {
    const double centre = (static_cast<double>(position) + 0.5) * scale;
    const std::int64_t first =
        std::max<std::int64_t>(0, static_cast<std::int64_t>(centre - support + 0.5));
    const std::int64_t end = std::min(in, static_cast<std::int64_t>(centre + support + 0.5));
    axis.taps.push_back({first, end - first, static_cast<std::int64_t>(axis.weights.size())});
    weights.clear();
    double sum = 0;
    for (std::int64_t i = first; i < end; ++i) {
      weights.push_back(Bicubic((static_cast<double>(i) - centre + 0.5) / stretch));
      sum += weights.back();
    }
    for (const double weight : weights) {
      const double scaled = weight / sum * (1 << kWeightBits);
      axis.weights.push_back(static_cast<std::int32_t>(scaled < 0 ? scaled - 0.5 : scaled + 0.5));
    }
  }
  return axis;
}

// Pillow 13 resizes columns first where that takes away many more pixels; found by trying sizes
// (tests/oracle).
bool IsDownFirst(const Image& image, std::int64_t width, std::int64_t height) {
  return image.height > height && image.height - height > 2 * (image.width - width);
}

std::unique_ptr<std::uint8_t[]> MakePixels(std::int64_t count) {
  return std::make_unique_for_overwrite<std::uint8_t[]>(static_cast<std::size_t>(3 * count));
}

}  // namespace

Image ResizeWindow(const Image& image, std::int64_t width, std::int64_t height,
                   const Window& window) {
  const AxisTaps columns = MakeTaps(image.width, width, window.left, window.width);
  const AxisTaps rows = MakeTaps(image.height, height, window.top, window.height);
  // The part of the picture that the window needs.
  const std::int64_t wide = columns.End() - columns.First(), high = rows.End() - rows.First();
  const std::int64_t stride = 3 * static_cast<std::int64_t>(image.width);
  const PixelRows in{image.rgb.data() + rows.First() * stride + 3 * columns.First(), stride};
  Image out;
  out.width = static_cast<int>(window.width);
  out.height = static_cast<int>(window.height);
  out.rgb.resize(static_cast<std::size_t>(3 * window.width * window.height));
  if (IsDownFirst(image, width, height)) {
    const auto low = MakePixels(wide * window.height);
    ResizeDown(in, wide, rows, low.get());
    ResizeAcross({low.get(), 3 * wide}, window.height, columns, out.rgb.data());
  } else {
    const auto narrow = MakePixels(window.width * high);
    ResizeAcross(in, high, columns, narrow.get());
    ResizeDown({narrow.get(), 3 * window.width}, window.width, rows, out.rgb.data());
  }
  return out;
}

}  // namespace clipsweep
