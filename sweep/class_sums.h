// S_beta[c] = sum over the keys k of class c of exp(-beta (1 - A_k)), for a run of equally spaced
// beta.
#pragma once

#include <cstdint>
#include <span>

#include "sweep/key_layout.h"

namespace clipsweep {

// Between anchors the kernel values follow e <- e exp(-step (1 - A)); at every 16th beta of an axis
// they are computed anew, so a relative error stays near 1e-6. Ranges of beta handed to one call
// start at an anchor, and the sums do not depend on how an axis was cut.
inline constexpr std::int64_t kAnchorEvery = 16;

// distance [groups, slots, 16]: 1 - A of each key in layout order. shots: rising numbers of slots;
// for each, the sum over the first that many slots. out [shots, count, groups * 16] for the betas
// low + i * step, first <= i < first + count, count <= kAnchorEvery, first a multiple of
// kAnchorEvery.
void ClassSums(const KeyLayout& layout, const float* distance, std::span<const std::int64_t> shots,
               double low, double step, std::int64_t first, std::int64_t count, float* out);

// exp(x) for x in [-87, 0], relative error below 3e-7; what the kernel uses, here for its test.
void ExpForTest(std::span<const float> x, std::span<float> out);

}  // namespace clipsweep
