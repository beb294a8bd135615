#include "sweep/kernels/lead_bounds.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "common/compute/kernel_targets.h"
#include "common/compute/lanes.h"

namespace clipsweep {
namespace {

// Powers are computed anew after so many steps, so that their relative error stays below 1e-4.
constexpr std::int64_t kRun = 8;

[[gnu::always_inline]] inline Lanes Less(Lanes a, Lanes b) { return a < b ? a : b; }
[[gnu::always_inline]] inline Lanes More(Lanes a, Lanes b) { return a > b ? a : b; }

template <typename Value>
[[gnu::always_inline]] inline Lanes NearestOf(const Value* keys, std::int64_t slots) {
  Lanes nearest = LoadLanes(keys);
  for (std::int64_t s = 1; s < slots; ++s) {
    const Lanes next = LoadLanes(keys + s * 16);
    nearest = next > nearest ? next : nearest;
  }
  return nearest;
}

template <typename Value>
[[gnu::always_inline]] inline void LeastOf(const Value* affinity, const PeakTile& tile,
                                           const PeakSlack& slack, const float* z,
                                           const float* keys, std::int64_t keys_stride,
                                           const PeakLabel& label, const PeakGrid& grid,
                                           float* least) {
  for (std::int64_t g = 0; g < tile.groups; ++g) {
    Lanes worst = Lanes{} + std::numeric_limits<float>::infinity();
    const Lanes lead = label.z - LoadLanes(z + g * 16);
    if (tile.slots[g] > 0) {
      const Lanes nearest = NearestOf(affinity + tile.start[g], tile.slots[g]);
      const Lanes size = nearest < 0 ? -nearest : nearest;
      const Lanes distance = 1.0f - (nearest + size * slack.relative + slack.absolute);
      const Lanes ratio = ExpLanes(-grid.stride * distance);
      for (std::int64_t from = 0; from < label.runs; from += kRun) {
        const std::int64_t some = std::min(kRun, label.runs - from);
        Lanes kernel[kRun + 1];
        kernel[0] = ExpLanes((-grid.beta - static_cast<float>(from) * grid.stride) * distance);
        for (std::int64_t r = 1; r < some; ++r) kernel[r] = kernel[r - 1] * ratio;
        const bool at_end = from + some == label.runs;
        kernel[some] = kernel[some - 1] * (at_end ? ExpLanes(-grid.rest * distance) : ratio);
        for (std::int64_t k = 0; k < label.shots; ++k) {
          const Lanes count = LoadLanes(keys + k * keys_stride + g * 16);
          const std::int64_t row = k * label.runs + from;
          for (std::int64_t r = 0; r < some; ++r) {
            const Lanes at_first = label.first[row + r] - count * kernel[r];
            const Lanes at_last = label.last[row + r] - count * kernel[r + 1];
            const Lanes more = Less(at_first, at_last) - label.sag[row + r];
            worst = Less(worst, Less(lead + grid.low * more, lead + grid.high * more));
          }
        }
      }
    } else {  // no keys: S is 0
      for (std::int64_t row = 0; row < label.shots * label.runs; ++row) {
        const float more = std::min(label.first[row], label.last[row]) - label.sag[row];
        worst = Less(worst, Less(lead + grid.low * more, lead + grid.high * more));
      }
    }
    StoreLanes(least + g * 16, worst);
  }
}

}  // namespace

CLIPSWEEP_KERNEL_TARGETS
void LeastLeads(const float* affinity, const PeakTile& tile, const PeakSlack& slack, const float* z,
                const float* keys, std::int64_t keys_stride, const PeakLabel& label,
                const PeakGrid& grid, float* least) {
  LeastOf(affinity, tile, slack, z, keys, keys_stride, label, grid, least);
}

CLIPSWEEP_KERNEL_TARGETS
void LeastLeads(const std::uint16_t* affinity, const PeakTile& tile, const PeakSlack& slack,
                const float* z, const float* keys, std::int64_t keys_stride, const PeakLabel& label,
                const PeakGrid& grid, float* least) {
  LeastOf(affinity, tile, slack, z, keys, keys_stride, label, grid, least);
}

CLIPSWEEP_KERNEL_TARGETS
void LeadRange(const SumBounds& bounds, const float* z, float z_slack, float label_z,
               const float* label_sums, std::int64_t label_stride, float low, float high,
               float* least, float* most) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (std::int64_t at = 0; at < bounds.lanes; at += 16) {
    const Lanes lead = label_z - LoadLanes(z + at);
    Lanes lowest = Lanes{} + kInfinity, highest = Lanes{} - kInfinity;
    const Lanes largest = Lanes{} + std::numeric_limits<float>::max();
    for (std::int64_t j = 0; j < bounds.betas; ++j) {
      const auto beta = static_cast<float>(bounds.beta + static_cast<double>(j) * bounds.step);
      const float part = std::exp(-beta * bounds.slack) * (1 - 1e-5f);
      for (std::int64_t k = 0; k < bounds.shots; ++k) {
        const float own = label_sums[k * label_stride + j];
        // Sums of what is held to float32's range may leave it; nothing is infinite, so that no
        // bound is lost in 0 x infinity.
        const Lanes sums =
            Less(LoadLanes(bounds.sums + (k * bounds.betas + j) * bounds.lanes + at), largest);
        const Lanes less = own - sums, more = own - sums * part;
        lowest = Less(lowest, Less(lead + low * less, lead + high * less));
        highest = More(highest, More(lead + low * more, lead + high * more));
      }
    }
    StoreLanes(least + at, lowest);
    StoreLanes(most + at, highest + z_slack);
  }
}

}  // namespace clipsweep
