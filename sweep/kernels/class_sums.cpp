#include "sweep/kernels/class_sums.h"

#include <algorithm>

#include "common/compute/kernel_targets.h"
#include "common/compute/lanes.h"
#include "sweep/kernels/key_layout.h"

namespace clipsweep {
namespace {

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
          const Lanes d = LoadLanes(keys.distance + at);
          e[s] = ExpLanes(-beta * d) * LoadLanes(keys.weight + at);
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
      for (std::int64_t j = 0; j < count; ++j) StoreLanes(rows + j * padded, total[j]);
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
          const Lanes d = LoadLanes(keys.distance + at);
          Lanes e = ExpLanes(-beta * d) * LoadLanes(keys.weight + at);
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
        for (std::int64_t j = 0; j < some; ++j) StoreLanes(rows + j * padded, total[j]);
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
