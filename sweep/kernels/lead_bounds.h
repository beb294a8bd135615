// Bounds on the label's lead over other classes, from affinities that may be off by a known amount.
// Where a bound says that a class is never ahead of the label on the grid, or always, nothing more
// need be known of it. docs/decisions/0022.
#pragma once

#include <cstdint>

namespace clipsweep {

// Affinities of some groups of 16 classes. Those of group g stand from start[g] on, [slots[g], 16]:
// the s-th keys of its classes side by side; a class with fewer keys repeats one, a class without
// keys has anything.
struct PeakTile {
  std::int64_t groups;
  const std::int64_t* slots;
  const std::int64_t* start;
};

// true affinity <= a + relative |a| + absolute for every one of them.
struct PeakSlack {
  float absolute, relative;
};

// The label against them, in runs of 16 betas: its sums at a run's first anchor, at the next one,
// and how far below the chord between them it may sag; [shots, runs] each.
struct PeakLabel {
  float z;
  const float *first, *last, *sag;
  std::int64_t shots, runs;
};

// The grid: the ends of the alpha axis, and the anchors of beta: the first, the step between them,
// and that before the last.
struct PeakGrid {
  float low, high;
  float beta, stride, rest;
};

// The first look, at all classes: one with n keys, the nearest of which has the affinity m, has
// S <= n exp(-beta (1 - m)).
//
// least [groups * 16]: the label's lead over a class is never less, at any alpha, beta and shot
// count (but for rounding: the caller's margin). z [groups * 16], not below the true ones but -inf
// for padding; keys [shots, stride] numbers of keys, as floats, rounded up. low >= 0 and beta >= 0.
void LeastLeads(const float* affinity, const PeakTile& tile, const PeakSlack& slack, const float* z,
                const float* keys, std::int64_t keys_stride, const PeakLabel& label,
                const PeakGrid& grid, float* least);
// The same of bfloat16.
void LeastLeads(const std::uint16_t* affinity, const PeakTile& tile, const PeakSlack& slack,
                const float* z, const float* keys, std::int64_t keys_stride, const PeakLabel& label,
                const PeakGrid& grid, float* least);

// The second look, at a few classes: their sums at `betas` betas, [shots, betas, lanes], from
// affinities that are not below the true ones and not more than `slack` above them.
struct SumBounds {
  std::int64_t shots, betas, lanes;
  const float* sums;
  double beta, step;  // of the first beta, to the next
  float slack;
};

// least, most [lanes]: the label's lead over a class is within them at any alpha of [low, high],
// beta and shot count (but for rounding: the caller's margin). z [lanes]: not below the true ones,
// not more than z_slack above them, -inf for padding. label_sums: row k of them is at label_sums +
// k * label_stride. low >= 0 and beta >= 0.
void LeadRange(const SumBounds& bounds, const float* z, float z_slack, float label_z,
               const float* label_sums, std::int64_t label_stride, float low, float high,
               float* least, float* most);

}  // namespace clipsweep
