// Dot products that are always added up in the same order: a value depends on its two rows alone,
// not on which others are computed beside it, by whom, or in how many threads.
#pragma once

#include <cstdint>
#include <span>

namespace clipsweep {

// out [a.size(), b.size()] = a b^T in float32. Rows of `width` values: a[i] points to the first of
// row i.
void DotProducts(std::span<const float* const> a, std::span<const float* const> b,
                 std::int64_t width, float* out);

// |computed - true| is at most this times |a| |b|: `width` / 16 products added in each of 16 lanes,
// then the lanes.
double DotError(std::int64_t width);

}  // namespace clipsweep
