#include "sweep/kernels/class_sums.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "common/compute/kernel_targets.h"
#include "sweep/kernels/key_layout.h"

namespace clipsweep {
namespace {

using Lanes = float __attribute__((vector_size(64)));
using IntLanes = std::int32_t __attribute__((vector_size(64)));

// exp by range reduction to |r| <= ln 2 / 2 and a polynomial of degree 7 (Cephes expf's
// coefficients). The power of two is put together from bits, so x is held to where it fits.
[[gnu::always_inline]] inline Lanes ExpLanes(Lanes x) {
  const Lanes floor = Lanes{} - 87.0f, ceiling = Lanes{} + 88.0f;
  const IntLanes vanishes = x < floor;
  x = x < floor ? floor : x;
  x = x > ceiling ? ceiling : x;
  const Lanes magic = Lanes{} + 12582912.0f;  // 1.5 * 2^23: adding it rounds to the nearest integer
  const Lanes n = (x * 1.44269504088896341f + magic) - magic;
  Lanes r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  Lanes y = Lanes{} + 1.9875691500e-4f;
  y = y * r + 1.3981999507e-3f;
  y = y * r + 8.3334519073e-3f;
  y = y * r + 4.1665795894e-2f;
  y = y * r + 1.6666665459e-1f;
  y = y * r + 5.0000001201e-1f;
  y = y * (r * r) + r + 1.0f;
  const IntLanes exponent = (__builtin_convertvector(n, IntLanes) + 127) << 23;
  Lanes scale;
  std::memcpy(&scale, &exponent, sizeof scale);
  return vanishes ? Lanes{} : y * scale;
}

[[gnu::always_inline]] inline Lanes Load(const float* p) {
  Lanes v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

[[gnu::always_inline]] inline void Store(float* p, Lanes v) { std::memcpy(p, &v, sizeof v); }

// Slots are worked through in runs of at most this many, whose e and r then stay in registers or
// L1.
constexpr std::int64_t kSlotRun = 16;

}  // namespace

CLIPSWEEP_KERNEL_TARGETS
void ClassSums(const LaneKeys& keys, std::span<const std::int64_t> shots, double low, double step,
               std::int64_t first, std::int64_t count, float* out) {
  const float beta = static_cast<float>(low + static_cast<double>(first) * step);
  const float delta = static_cast<float>(step);
  const std::int64_t padded = keys.groups * kLanes;
  for (std::int64_t g = 0; g < keys.groups; ++g) {
    Lanes total[kAnchorEvery];
    for (std::int64_t j = 0; j < count; ++j) total[j] = Lanes{};
    std::int64_t slot = 0;
    for (std::size_t k = 0; k < shots.size(); ++k) {
      const std::int64_t until = std::min(shots[k], keys.slots);
      while (slot < until) {
        const std::int64_t run = std::min(kSlotRun, until - slot);
        Lanes e[kSlotRun], r[kSlotRun];
        for (std::int64_t s = 0; s < run; ++s) {
          const std::int64_t at = (g * keys.slots + slot + s) * kLanes;
          const Lanes d = Load(keys.distance + at);
          e[s] = ExpLanes(-beta * d) * Load(keys.weight + at);
          r[s] = ExpLanes(-delta * d);
        }
        for (std::int64_t j = 0; j < count; ++j) {
          Lanes sum = total[j];
          for (std::int64_t s = 0; s < run; ++s) {
            sum += e[s];
            e[s] *= r[s];
          }
          total[j] = sum;
        }
        slot += run;
      }
      float* rows = out + static_cast<std::int64_t>(k) * count * padded + g * kLanes;
      for (std::int64_t j = 0; j < count; ++j) Store(rows + j * padded, total[j]);
    }
  }
}

CLIPSWEEP_KERNEL_TARGETS
void AnchorSums(const LaneKeys& keys, std::span<const std::int64_t> shots, double low, double step,
                std::int64_t betas, std::int64_t first, std::int64_t anchors, float* out) {
  constexpr std::int64_t kMost = 8;  // anchors at a time, whose sums stay in registers
  const double stride = static_cast<double>(kAnchorEvery) * step;
  const auto whole = static_cast<float>(stride);
  const std::int64_t padded = keys.groups * kLanes;
  for (std::int64_t done = 0; done < anchors; done += kMost) {
    const std::int64_t some = std::min(kMost, anchors - done);
    const std::int64_t start = AnchorAt(first + done, betas), end = first + done + some - 1;
    const auto beta = static_cast<float>(low + static_cast<double>(start) * step);
    // From the last but one to the last it may be less than a stride.
    const std::int64_t steps = some > 1 ? AnchorAt(end, betas) - AnchorAt(end - 1, betas) : 0;
    const auto rest = static_cast<float>(static_cast<double>(steps) * step);
    for (std::int64_t g = 0; g < keys.groups; ++g) {
      Lanes total[kMost];
      for (std::int64_t j = 0; j < some; ++j) total[j] = Lanes{};
      std::int64_t slot = 0;
      for (std::size_t k = 0; k < shots.size(); ++k) {
        for (const std::int64_t until = std::min(shots[k], keys.slots); slot < until; ++slot) {
          const std::int64_t at = (g * keys.slots + slot) * kLanes;
          const Lanes d = Load(keys.distance + at);
          Lanes e = ExpLanes(-beta * d) * Load(keys.weight + at);
          if (some > 2) {
            const Lanes r = ExpLanes(-whole * d);
            for (std::int64_t j = 0; j + 2 < some; ++j) {
              total[j] += e;
              e *= r;
            }
          }
          if (some > 1) {
            total[some - 2] += e;
            e *= ExpLanes(-rest * d);
          }
          total[some - 1] += e;
        }
        float* rows = out + (static_cast<std::int64_t>(k) * anchors + done) * padded + g * kLanes;
        for (std::int64_t j = 0; j < some; ++j) Store(rows + j * padded, total[j]);
      }
    }
  }
}

void ExpForTest(std::span<const float> x, std::span<float> out) {
  for (std::size_t i = 0; i < x.size(); ++i) {
    const Lanes y = ExpLanes(Lanes{} + x[i]);
    out[i] = y[0];
  }
}

}  // namespace clipsweep
