// Every alpha for free. For one sample and one beta the logit of class c is z_c + alpha S_c, so the
// label y beats c on a half-line of alpha. Along a grid axis that is a prefix or a suffix, and the
// classes that beat y are counted at all alphas at once by adding +1 and -1 where half-lines start
// and end.
#pragma once

#include <compare>
#include <cstdint>
#include <span>
#include <vector>

#include "sweep/kernels/alpha_meeting.h"
#include "sweep/math/cache_model.h"

namespace clipsweep {

// Where on the real line of alpha something begins: at `value`, or just after it.
class Edge {
 public:
  Edge() = default;
  Edge(double value, bool after) : code_(EdgeCode(value, after)) {}
  double value() const;
  bool after() const { return (code_ & 1) != 0; }
  std::int64_t code() const { return code_; }
  static Edge FromCode(std::int64_t code);
  auto operator<=>(const Edge&) const = default;

 private:
  std::int64_t code_ = 0;
};

// The alphas of [first, last alpha of the axis], real numbers, at which a label is top-1: one
// interval. Both ends are edges where something changes: [from, to).
struct AlphaInterval {
  bool empty = true;
  bool whole_left = false, whole_right = false;  // reaches the axis' first, last alpha
  Edge from, to;                                 // meaningful where not whole

  // Keeps what lies before, or from, an edge.
  void Cut(const Edge& edge, bool before);
};

// How a label fares along the alpha axis against some classes.
struct Contest {
  struct Event {
    std::int64_t at;  // from this alpha index on
    int change;       // of the number of classes that beat the label
  };
  int beaten_by = 0;  // classes, at the first alpha
  std::vector<Event> events;
  AlphaInterval interval{false, true, true, {}, {}};

  void Clear() {
    beaten_by = 0;
    events.clear();
    interval = {false, true, true, {}, {}};
  }
  bool IsWon() const { return beaten_by == 0 && events.empty(); }
  // The same label against further classes.
  void Join(const Contest& other);
};

// A lead of the label, computed in float32 at either end of the axis from sums of class_sums.h, is
// surely one when it is above this. Finite.
float LeadMargin(const Axis& alpha, const Reach& most);

class AlphaCounter {
 public:
  AlphaCounter(const Axis& alpha, const Reach& most);

  float margin() const { return margin_; }

  // One sample at one beta: the label's z and s, and some other classes [padded, a multiple of 16]
  // with their numbers. Padding has z = -inf.
  void Meet(std::int64_t label, float label_z, float label_s, std::int64_t padded, const float* z,
            const float* s, const std::int32_t* classes, Contest& contest);

  // Given the contest with all classes that beat the label somewhere on the axis, adds to where[j]
  // / where[j + 1] the steps of "label is top-1 at alpha j" and "label is in the top 5";
  // top1_steps, top5_steps [alpha.count + 1] are difference arrays. Sorts the events.
  static void Count(Contest& contest, std::int64_t* top1_steps, std::int64_t* top5_steps);

  // The label's curve between two betas: its sums there and how far below the chord it may sag.
  struct LabelCurve {
    float z, first_s, last_s, sag;
  };
  // Appends to `found` the lanes that may beat the label at some alpha of the axis and some beta
  // between two ones, at which the sums are first_s and last_s. A class's sum is convex in beta, so
  // it lies below its chord; the label's lies at most `sag` below its own.
  void FindCandidates(const LabelCurve& label, std::int64_t padded, const float* z,
                      const float* first_s, const float* last_s, std::vector<std::int32_t>& found);

 private:
  std::vector<double> alphas_;
  float low_, high_, margin_;
  std::vector<std::uint8_t> hit_;
};

// `right_at_first` samples are right at the axis' first alpha, more from each edge of `from` on,
// fewer from each of `to` on (codes, in any order; sorted here). Stretches that are not wider than
// `least_width` are passed over: at a lone point, where classes tie, rounding decides.
ExactAlpha BestOverReals(const Axis& alpha, std::int64_t right_at_first,
                         std::vector<std::int64_t>& from, std::vector<std::int64_t>& to,
                         double least_width = -1);

// Difference array -> values, in place: steps[j] becomes the sum of steps[0..j].
void SumSteps(std::span<std::int64_t> steps);

}  // namespace clipsweep
