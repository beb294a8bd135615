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

// Where anchor i of an axis of `betas` values lies: at every 16th, and the one after the last such
// at the axis' end. None lies beyond it, where sums of keys longer than 1 may leave float32.
constexpr std::int64_t AnchorAt(std::int64_t i, std::int64_t betas) {
  return i * kAnchorEvery < betas ? i * kAnchorEvery : betas - 1;
}

// The same sums at the anchors alone: out [shots, anchors, groups * 16] at the anchors first ..
// first + anchors - 1 of an axis of `betas` values; only the last of them may be the axis' end.
// Relative error near 1e-6; for bounds, not for counts.
void AnchorSums(const LaneKeys& keys, std::span<const std::int64_t> shots, double low, double step,
                std::int64_t betas, std::int64_t first, std::int64_t anchors, float* out);

// exp(x), relative error below 3e-7 for x in [-87, 88]; 0 below and exp(88) above, so that nothing
// is ever infinite. What the kernel uses, here for its test.
void ExpForTest(std::span<const float> x, std::span<float> out);

}  // namespace clipsweep
