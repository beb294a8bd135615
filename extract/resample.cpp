#include "extract/resample.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "common/kernel_targets.h"

namespace clipsweep {
namespace {

constexpr int kBits = 22;  // of a weight's fraction: 32 less 8 for the pixel and 2 for overshoot

double Bicubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
  if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
  return 0.0;
}

// What one output position adds up: weights[i] * input[first + i].
struct Taps {
  std::int64_t first = 0;
  std::vector<std::int32_t> weights;
};

// For output positions [start, start + count) of an axis resized from `in` to `out`.
std::vector<Taps> MakeTaps(std::int64_t in, std::int64_t out, std::int64_t start,
                           std::int64_t count) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double stretch = std::max(scale, 1.0);  // antialiasing widens the filter when shrinking
  const double support = 2.0 * stretch;
  std::vector<Taps> all;
  for (std::int64_t position = start; position < start + count; ++position) {
    const double centre = (static_cast<double>(position) + 0.5) * scale;
    Taps taps;
    taps.first = std::max<std::int64_t>(0, static_cast<std::int64_t>(centre - support + 0.5));
    const std::int64_t end = std::min(in, static_cast<std::int64_t>(centre + support + 0.5));
    std::vector<double> weights;
    double sum = 0;
    for (std::int64_t i = taps.first; i < end; ++i) {
      weights.push_back(Bicubic((static_cast<double>(i) - centre + 0.5) / stretch));
      sum += weights.back();
    }
    for (const double weight : weights) {
      const double scaled = weight / sum * (1 << kBits);
      taps.weights.push_back(static_cast<std::int32_t>(scaled < 0 ? scaled - 0.5 : scaled + 0.5));
    }
    all.push_back(std::move(taps));
  }
  return all;
}

std::uint8_t Clip(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> kBits, 0, 255));
}

// out [count, 3] from one row of pixels.
void ResizeRow(const std::uint8_t* row, const std::vector<Taps>& columns, std::uint8_t* out) {
  for (const Taps& taps : columns) {
    const std::uint8_t* pixel = row + 3 * taps.first;
    std::int32_t r = 1 << (kBits - 1), g = r, b = r;
    for (const std::int32_t weight : taps.weights) {
      r += weight * pixel[0];
      g += weight * pixel[1];
      b += weight * pixel[2];
      pixel += 3;
    }
    out[0] = Clip(r);
    out[1] = Clip(g);
    out[2] = Clip(b);
    out += 3;
  }
}

CLIPSWEEP_KERNEL_TARGETS
void AddScaledRow(const std::uint8_t* __restrict row, std::int32_t weight, std::int64_t count,
                  std::int32_t* __restrict sums) {
  for (std::int64_t i = 0; i < count; ++i) sums[i] += weight * row[i];
}

}  // namespace

Image ResizeWindow(const Image& image, std::int64_t width, std::int64_t height,
                   const Window& window) {
  const std::vector<Taps> columns = MakeTaps(image.width, width, window.left, window.width);
  const std::vector<Taps> rows = MakeTaps(image.height, height, window.top, window.height);
  const std::int64_t stride = 3 * window.width;

  // Rows first; where the width stays as it is, pixels pass through.
  const std::int64_t first = rows.front().first;
  const std::int64_t last =
      rows.back().first + static_cast<std::int64_t>(rows.back().weights.size());
  std::vector<std::uint8_t> narrow(static_cast<std::size_t>((last - first) * stride));
  for (std::int64_t y = first; y < last; ++y) {
    const std::uint8_t* row = image.rgb.data() + 3 * y * image.width;
    std::uint8_t* out = narrow.data() + (y - first) * stride;
    if (width == image.width) {
      std::copy_n(row + 3 * window.left, stride, out);
    } else {
      ResizeRow(row, columns, out);
    }
  }

  Image out;
  out.width = static_cast<int>(window.width);
  out.height = static_cast<int>(window.height);
  out.rgb.resize(static_cast<std::size_t>(stride * window.height));
  std::vector<std::int32_t> sums(static_cast<std::size_t>(stride));
  for (std::int64_t y = 0; y < window.height; ++y) {
    std::uint8_t* target = out.rgb.data() + y * stride;
    if (height == image.height) {
      std::copy_n(narrow.data() + (window.top + y - first) * stride, stride, target);
      continue;
    }
    const Taps& taps = rows[static_cast<std::size_t>(y)];
    std::fill(sums.begin(), sums.end(), 1 << (kBits - 1));
    for (std::size_t i = 0; i < taps.weights.size(); ++i) {
      AddScaledRow(narrow.data() + (taps.first + static_cast<std::int64_t>(i) - first) * stride,
                   taps.weights[i], stride, sums.data());
    }
    std::transform(sums.begin(), sums.end(), target, Clip);
  }
  return out;
}

}  // namespace clipsweep
