// S_beta[c] = sum over the keys k of class c of exp(-beta (1 - A_k)), for a run of equally spaced
// beta.
#pragma once

#include <cstdint>
#include <span>

namespace clipsweep {

// Between anchors the kernel values follow e <- e exp(-step (1 - A)); at every 16th beta of an axis
// they are computed anew, so a relative error stays near 1e-6. Ranges of beta handed to one call
// start at an anchor, and the sums do not depend on how an axis was cut.
inline constexpr std::int64_t kAnchorEvery = 16;

// Keys of some classes in layout order (key_layout.h): class lanes side by side.
struct LaneKeys {
  std::int64_t groups, slots;
  const float* weight;    // [groups, slots, 16] 1, or 0 for padding
  const float* distance;  // [groups, slots, 16] 1 - A
};

// shots: rising numbers of slots; for each, the sum over the first that many slots. out
// [shots, count, groups * 16] for the betas low + i * step, first <= i < first + count,
// count <= kAnchorEvery, first a multiple of kAnchorEvery.
void ClassSums(const LaneKeys& keys, std::span<const std::int64_t> shots, double low, double step,
               std::int64_t first, std::int64_t count, float* out);

// The same sums at the anchors alone: out [shots, anchors, groups * 16] for the betas
// low + (first + i) * 16 * step. Relative error near 1e-6; for bounds, not for counts.
void AnchorSums(const LaneKeys& keys, std::span<const std::int64_t> shots, double low, double step,
                std::int64_t first, std::int64_t anchors, float* out);

// exp(x) for x in [-87, 0], relative error below 3e-7; what the kernel uses, here for its test.
void ExpForTest(std::span<const float> x, std::span<float> out);

}  // namespace clipsweep
