#include "sweep/kernels/dot_products.h"

#include <algorithm>
#include <cstring>

#include "common/compute/kernel_targets.h"
#include "common/compute/lanes.h"

namespace clipsweep {
namespace {

constexpr std::int64_t kWide = 16;

[[gnu::always_inline]] inline Lanes LoadSome(const float* p, std::int64_t count) {
  Lanes v{};
  std::memcpy(&v, p, static_cast<std::size_t>(count) * sizeof(float));
  return v;
}

// Halves, quarters, eighths and so on are added to each other.
[[gnu::always_inline]] inline float AddLanes(Lanes v) {
  v += __builtin_shuffle(v, IntLanes{8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7});
  v += __builtin_shuffle(v, IntLanes{4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11});
  v += __builtin_shuffle(v, IntLanes{2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13});
  v += __builtin_shuffle(v, IntLanes{1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14});
  return v[0];
}

// kA x kB of them side by side, so that each row is loaded once for several products.
template <int kA, int kB>
[[gnu::always_inline]] inline void Tile(const float* const* a, const float* const* b,
                                        std::int64_t width, std::int64_t stride, float* out) {
  Lanes sum[kA][kB] = {};
  std::int64_t d = 0;
  for (; d + kWide <= width; d += kWide) {
    Lanes right[kB];
#pragma GCC unroll 4
    for (int j = 0; j < kB; ++j) right[j] = LoadLanes(b[j] + d);
#pragma GCC unroll 4
    for (int i = 0; i < kA; ++i) {
      const Lanes left = LoadLanes(a[i] + d);
#pragma GCC unroll 4
      for (int j = 0; j < kB; ++j) sum[i][j] += left * right[j];
    }
  }
  if (d < width) {
#pragma GCC unroll 4
    for (int i = 0; i < kA; ++i) {
      const Lanes left = LoadSome(a[i] + d, width - d);
#pragma GCC unroll 4
      for (int j = 0; j < kB; ++j) sum[i][j] += left * LoadSome(b[j] + d, width - d);
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < kA; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < kB; ++j) out[i * stride + j] = AddLanes(sum[i][j]);
  }
}

template <int kA>
[[gnu::always_inline]] inline void Strip(const float* const* a, std::span<const float* const> b,
                                         std::int64_t width, float* out) {
  const auto count = static_cast<std::int64_t>(b.size());
  std::int64_t j = 0;
  for (; j + 4 <= count; j += 4) Tile<kA, 4>(a, b.data() + j, width, count, out + j);
  for (; j < count; ++j) Tile<kA, 1>(a, b.data() + j, width, count, out + j);
}

}  // namespace

CLIPSWEEP_KERNEL_TARGETS
void DotProducts(std::span<const float* const> a, std::span<const float* const> b,
                 std::int64_t width, float* out) {
  const auto count = static_cast<std::int64_t>(a.size());
  const auto stride = static_cast<std::int64_t>(b.size());
  std::int64_t i = 0;
  for (; i + 4 <= count; i += 4) Strip<4>(a.data() + i, b, width, out + i * stride);
  for (; i < count; ++i) Strip<1>(a.data() + i, b, width, out + i * stride);
}

double DotError(std::int64_t width) {
  constexpr double kUnit = 0x1p-24;
  return 1.01 * kUnit * static_cast<double>(width / kWide + 7);
}

}  // namespace clipsweep
