#include "extract/images/resample_rows.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>

#include "common/compute/kernel_targets.h"

namespace clipsweep {
namespace {

constexpr int kRows = 16;                   // that go across at once
constexpr std::int64_t kPixel = 3 * kRows;  // values of one pixel of all of them

// out[j] from in[j], in[stride + j], in[2 * stride + j] .. for j < kCount. The compiler makes
// vectors of the loops over j and keeps the sums in registers.
template <int kCount, typename Value>
[[gnu::always_inline]] inline void AddUp(const Value* __restrict in, std::int64_t stride,
                                         const std::int32_t* __restrict weights, std::int64_t taps,
                                         std::uint8_t* __restrict out) {
  std::int32_t sums[kCount];
  for (int j = 0; j < kCount; ++j) sums[j] = 1 << (kWeightBits - 1);
  for (std::int64_t i = 0; i < taps; ++i, in += stride) {
    const std::int32_t weight = weights[i];
    for (int j = 0; j < kCount; ++j) sums[j] += weight * in[j];
  }
  for (int j = 0; j < kCount; ++j) {
    out[j] = static_cast<std::uint8_t>(std::clamp(sums[j] >> kWeightBits, 0, 255));
  }
}

using Bytes = std::uint8_t __attribute__((vector_size(kRows)));

[[gnu::always_inline]] inline Bytes InterleaveLow(Bytes a, Bytes b) {
  return Bytes{a[0], b[0], a[1], b[1], a[2], b[2], a[3], b[3],
               a[4], b[4], a[5], b[5], a[6], b[6], a[7], b[7]};
}

[[gnu::always_inline]] inline Bytes InterleaveHigh(Bytes a, Bytes b) {
  return Bytes{a[8],  b[8],  a[9],  b[9],  a[10], b[10], a[11], b[11],
               a[12], b[12], a[13], b[13], a[14], b[14], a[15], b[15]};
}

// Rows become columns where four times the first half of them is interleaved with the second.
[[gnu::always_inline]] inline void Transpose(Bytes (&rows)[kRows]) {
  for (int round = 0; round < 4; ++round) {
    Bytes next[kRows];
    for (int i = 0; i < kRows / 2; ++i) {
      next[2 * i] = InterleaveLow(rows[i], rows[i + kRows / 2]);
      next[2 * i + 1] = InterleaveHigh(rows[i], rows[i + kRows / 2]);
    }
    for (int i = 0; i < kRows; ++i) rows[i] = next[i];
  }
}

// Where they fill a vector, in one instruction.
[[gnu::always_inline]] inline void CopyBytes(void* to, const void* from, std::int64_t count) {
  if (count == kRows) {
    std::memcpy(to, from, kRows);
  } else {
    std::memcpy(to, from, static_cast<std::size_t>(count));
  }
}

// Byte x of row i goes to lanes[kRows * x + i]; where there are fewer rows, the last one is
// repeated.
[[gnu::always_inline]] inline void RowsToLanes(const PixelRows& in, std::int64_t count,
                                               std::int64_t width, std::int32_t* lanes) {
  for (std::int64_t x = 0; x < width; x += kRows) {
    const std::int64_t some = std::min<std::int64_t>(kRows, width - x);
    Bytes block[kRows] = {};
    for (std::int64_t i = 0; i < kRows; ++i) {
      CopyBytes(&block[i], in.data + std::min(i, count - 1) * in.stride + x, some);
    }
    Transpose(block);
    for (int i = 0; i < kRows; ++i) {
      std::uint8_t column[kRows];
      std::memcpy(column, &block[i], kRows);
      for (int j = 0; j < kRows; ++j) lanes[kRows * (x + i) + j] = column[j];
    }
  }
}

[[gnu::always_inline]] inline void LanesToRows(const std::uint8_t* lanes, std::int64_t count,
                                               std::int64_t width, std::uint8_t* out) {
  for (std::int64_t x = 0; x < width; x += kRows) {
    const std::int64_t some = std::min<std::int64_t>(kRows, width - x);
    Bytes block[kRows];
    std::memcpy(block, lanes + kRows * x, sizeof block);
    Transpose(block);
    for (std::int64_t i = 0; i < count; ++i) CopyBytes(out + i * width + x, &block[i], some);
  }
}

// Neighbours in a row need weights of their own, a column's pixels the same ones; so the rows, up
// to kRows, are the lanes.
CLIPSWEEP_KERNEL_TARGETS
void ResizeSomeAcross(const PixelRows& in, std::int64_t count, const AxisTaps& columns,
                      std::int32_t* before, std::uint8_t* after, std::uint8_t* out) {
  RowsToLanes(in, count, 3 * (columns.End() - columns.First()), before);
  std::uint8_t* target = after;
  for (const Taps& taps : columns.taps) {
    AddUp<kPixel>(before + kPixel * (taps.first - columns.First()), kPixel,
                  columns.weights.data() + taps.at, taps.count, target);
    target += kPixel;
  }
  LanesToRows(after, count, 3 * columns.Size(), out);
}

CLIPSWEEP_KERNEL_TARGETS
void ResizeRowDown(const PixelRows& in, std::int64_t bytes, const std::int32_t* weights,
                   std::int64_t taps, std::uint8_t* out) {
  std::int64_t x = 0;
  for (; x + 64 <= bytes; x += 64) AddUp<64>(in.data + x, in.stride, weights, taps, out + x);
  for (; x + 16 <= bytes; x += 16) AddUp<16>(in.data + x, in.stride, weights, taps, out + x);
  for (; x < bytes; ++x) AddUp<1>(in.data + x, in.stride, weights, taps, out + x);
}

}  // namespace

void ResizeAcross(const PixelRows& in, std::int64_t count, const AxisTaps& columns,
                  std::uint8_t* out) {
  const std::int64_t stride = 3 * columns.Size();
  if (columns.same) {
    for (std::int64_t y = 0; y < count; ++y) {
      std::copy_n(in.data + y * in.stride, stride, out + y * stride);
    }
    return;
  }
  // Room for whole blocks.
  const auto room = [](std::int64_t pixels) {
    return static_cast<std::size_t>(pixels * kPixel + kRows * kRows);
  };
  const auto before =
      std::make_unique_for_overwrite<std::int32_t[]>(room(columns.End() - columns.First()));
  std::vector<std::uint8_t> after(room(columns.Size()));
  for (std::int64_t y = 0; y < count; y += kRows) {
    ResizeSomeAcross({in.data + y * in.stride, in.stride}, std::min<std::int64_t>(kRows, count - y),
                     columns, before.get(), after.data(), out + y * stride);
  }
}

void ResizeDown(const PixelRows& in, std::int64_t width, const AxisTaps& rows, std::uint8_t* out) {
  for (const Taps& taps : rows.taps) {
    const std::uint8_t* first = in.data + (taps.first - rows.First()) * in.stride;
    if (rows.same) {
      std::copy_n(first, 3 * width, out);
    } else {
      ResizeRowDown({first, in.stride}, 3 * width, rows.weights.data() + taps.at, taps.count, out);
    }
    out += 3 * width;
  }
}

}  // namespace clipsweep
