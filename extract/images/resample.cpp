#include "extract/images/resample.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "common/compute/kernel_targets.h"

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

// out [count, 3] from one row of pixels, the first of which is number `origin` of its axis.
void ResizeRow(const std::uint8_t* row, const std::vector<Taps>& columns, std::int64_t origin,
               std::uint8_t* out) {
  for (const Taps& taps : columns) {
    const std::uint8_t* pixel = row + 3 * (taps.first - origin);
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

// Part of a picture.
struct Pixels {
  const std::uint8_t* data;
  std::int64_t stride;     // bytes a row
  std::int64_t left, top;  // of the picture, where the part begins
};

std::int64_t End(const std::vector<Taps>& taps) {
  return taps.back().first + static_cast<std::int64_t>(taps.back().weights.size());
}

// The rows [first, last) of the picture, [last - first, columns, 3]. Where the width stays as it is
// (`same`), pixels pass through.
std::vector<std::uint8_t> ResizeAcross(const Pixels& in, const std::vector<Taps>& columns,
                                       bool same, std::int64_t start, std::int64_t first,
                                       std::int64_t last) {
  const auto stride = static_cast<std::int64_t>(3 * columns.size());
  std::vector<std::uint8_t> out(static_cast<std::size_t>((last - first) * stride));
  for (std::int64_t y = first; y < last; ++y) {
    const std::uint8_t* row = in.data + (y - in.top) * in.stride;
    std::uint8_t* target = out.data() + (y - first) * stride;
    if (same) {
      std::copy_n(row + 3 * (start - in.left), stride, target);
    } else {
      ResizeRow(row, columns, in.left, target);
    }
  }
  return out;
}

// The columns [first, last) of the picture, [rows, last - first, 3].
std::vector<std::uint8_t> ResizeDown(const Pixels& in, const std::vector<Taps>& rows, bool same,
                                     std::int64_t start, std::int64_t first, std::int64_t last) {
  const std::int64_t stride = 3 * (last - first);
  std::vector<std::uint8_t> out(rows.size() * static_cast<std::size_t>(stride));
  std::vector<std::int32_t> sums(static_cast<std::size_t>(stride));
  for (std::size_t y = 0; y < rows.size(); ++y) {
    std::uint8_t* target = out.data() + static_cast<std::int64_t>(y) * stride;
    const auto row_at = [&](std::int64_t row) {
      return in.data + (row - in.top) * in.stride + 3 * (first - in.left);
    };
    if (same) {
      std::copy_n(row_at(start + static_cast<std::int64_t>(y)), stride, target);
      continue;
    }
    std::fill(sums.begin(), sums.end(), 1 << (kBits - 1));
    for (std::size_t i = 0; i < rows[y].weights.size(); ++i) {
      AddScaledRow(row_at(rows[y].first + static_cast<std::int64_t>(i)), rows[y].weights[i], stride,
                   sums.data());
    }
    std::transform(sums.begin(), sums.end(), target, Clip);
  }
  return out;
}

// Pillow 13 resizes columns first where that takes away many more pixels; found by trying sizes
// (tests/oracle).
bool IsDownFirst(const Image& image, std::int64_t width, std::int64_t height) {
  return image.height > height && image.height - height > 2 * (image.width - width);
}

}  // namespace

Image ResizeWindow(const Image& image, std::int64_t width, std::int64_t height,
                   const Window& window) {
  const std::vector<Taps> columns = MakeTaps(image.width, width, window.left, window.width);
  const std::vector<Taps> rows = MakeTaps(image.height, height, window.top, window.height);
  const bool same_width = width == image.width, same_height = height == image.height;
  const Pixels all{image.rgb.data(), 3 * static_cast<std::int64_t>(image.width), 0, 0};
  Image out;
  out.width = static_cast<int>(window.width);
  out.height = static_cast<int>(window.height);
  if (IsDownFirst(image, width, height)) {
    // Unchanged columns need themselves alone.
    const std::int64_t first = same_width ? window.left : columns.front().first;
    const std::int64_t last = same_width ? window.left + window.width : End(columns);
    const auto low = ResizeDown(all, rows, same_height, window.top, first, last);
    out.rgb = ResizeAcross({low.data(), 3 * (last - first), first, 0}, columns, same_width,
                           window.left, 0, window.height);
  } else {
    const std::int64_t first = same_height ? window.top : rows.front().first;
    const std::int64_t last = same_height ? window.top + window.height : End(rows);
    const auto narrow = ResizeAcross(all, columns, same_width, window.left, first, last);
    out.rgb = ResizeDown({narrow.data(), 3 * window.width, 0, first}, rows, same_height, window.top,
                         0, window.width);
  }
  return out;
}

}  // namespace clipsweep
