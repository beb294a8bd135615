// The sums of a resize, one axis at a time, as vector code. All is whole numbers, so every
// instruction set gives the same bytes.
#pragma once

#include <cstdint>
#include <vector>

namespace clipsweep {

// Of a weight's fraction: 32 less 8 for the pixel and 2 for overshoot.
inline constexpr int kWeightBits = 22;

// What one output position adds up: weights[at + i] * input[first + i] for i < count.
struct Taps {
  std::int64_t first, count, at;
};

// Output positions of one axis, at least one and in order.
struct AxisTaps {
  std::vector<Taps> taps;
  std::vector<std::int32_t> weights;
  bool same = false;  // each is its input position as it is

  // The input positions that are read are [First(), End()).
  std::int64_t First() const { return taps.front().first; }
  std::int64_t End() const { return taps.back().first + taps.back().count; }
  std::int64_t Size() const { return static_cast<std::int64_t>(taps.size()); }
};

// 8-bit RGB: rows of pixels, `stride` bytes apart.
struct PixelRows {
  const std::uint8_t* data;
  std::int64_t stride;
};

// To `count` rows of columns.Size() pixels from as many of `in`, whose first pixel is the column
// First().
void ResizeAcross(const PixelRows& in, std::int64_t count, const AxisTaps& columns,
                  std::uint8_t* out);

// To rows.Size() rows of `width` pixels from those of `in`, whose first one is the row First().
void ResizeDown(const PixelRows& in, std::int64_t width, const AxisTaps& rows, std::uint8_t* out);

}  // namespace clipsweep
