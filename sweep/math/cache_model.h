// What the sweep works on and what it gives.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "sweep/math/grid.h"

namespace clipsweep {

// Classes [first, last).
struct ClassRange {
  std::int64_t first = 0, last = 0;
  bool Has(std::int64_t c) const { return c >= first && c < last; }
};

// Tip-Adapter's cache model (Zhang et al., ECCV 2022): the text classifier W, the keys F and their
// labels L. All rows are of unit length, classes in one order.
struct CacheModel {
  std::int64_t width = 0;                // D
  std::int64_t classes = 0;              // C
  std::vector<float> text;               // [C, D]
  std::vector<float> keys;               // [K, D], or fewer and in another order: key_position
  std::vector<std::int32_t> key_labels;  // [K], of all rows of the cache
  // Where each row's key stands in `keys`, -1 for rows that are not here. Empty: all are, in order.
  std::vector<std::int64_t> key_position;
  // CLIP's exp(logit_scale): z = logit_scale f . w. The official code writes 100, which is what
  // OpenAI's models have.
  float logit_scale = 100.0f;
  double longest_key = 1;  // trained keys are not of unit length
  // --partition classes: those whose keys are here; not used otherwise.
  ClassRange held_classes;

  // No exponent -beta (1 - f . key) on the axis is above this; at least 0.
  double MostExponent(const Axis& beta) const {
    const auto at = [&](double value) {
      return value * (value > 0 ? longest_key - 1 : -longest_key - 1);
    };
    return std::max({0.0, at(beta.At(0)), at(beta.At(beta.count - 1))});  // linear in between
  }
  // No kernel value exp(-beta (1 - f . key)) on the axis is above this.
  double MostKernel(const Axis& beta) const { return std::exp(MostExponent(beta)); }
  bool Holds(std::int64_t row) const {
    return key_position.empty() || key_position[static_cast<std::size_t>(row)] >= 0;
  }
  const float* Key(std::int64_t row) const {
    const std::int64_t at =
        key_position.empty() ? row : key_position[static_cast<std::size_t>(row)];
    return keys.data() + at * width;
  }
};

struct Queries {
  std::vector<float> features;       // [N, D] unit rows
  std::vector<std::int32_t> labels;  // [N]
  std::int64_t count() const { return static_cast<std::int64_t>(labels.size()); }
};

// One family of nested subsets over one grid.
struct GridTask {
  std::vector<std::vector<std::int64_t>> rows_by_class;  // rows of the cache, in adding order
  std::vector<std::int64_t> shots;                       // rising; first so many rows of each class
  Axis alpha, beta;
  bool exact_alpha = false;  // also find the best alpha over the reals
};

// The rows of one class that the task's largest subset holds.
inline std::span<const std::int64_t> UsedOf(const GridTask& task,
                                            const std::vector<std::int64_t>& rows) {
  return std::span(rows).first(std::min(rows.size(), static_cast<std::size_t>(task.shots.back())));
}

// How large the numbers of a task can become, which bounds what float32 may get wrong.
struct Reach {
  double z = 100;       // no |100 f . w| is above this: 100 x the longest text row
  double sum = 1;       // no class's sum of kernel values is above this
  double exponent = 0;  // no kernel's exponent is above this; at least 0
};

// The most right answers any real alpha between the first and the last of the axis gives, and
// where: the first of the widest stretches of alpha that reach it.
struct ExactAlpha {
  std::int64_t top1 = 0;
  double low = 0, high = 0;
};

struct GridCounts {
  std::vector<std::int64_t> top1, top5;  // [shots, beta, alpha]: samples whose label is first / in
                                         // the first 5
  // [shots, beta]; on rank 0; empty when not asked for or more than kMostEdges crossings would have
  // to be kept.
  std::vector<ExactAlpha> exact;
};

// Of all tasks and ranks together: 8 bytes each.
inline constexpr std::int64_t kMostEdges = 24'000'000;

struct TopCounts {
  std::int64_t top1 = 0, top5 = 0;
};

}  // namespace clipsweep
