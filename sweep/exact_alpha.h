// Every alpha for free. For one sample and one beta the logit of class c is z_c + alpha S_c, so the
// label y beats c on a half-line of alpha. Along a grid axis that is a prefix or a suffix, and the
// classes that beat y are counted at all alphas at once by adding +1 and -1 where half-lines start
// and end.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sweep/grid.h"

namespace clipsweep {

// Class c beats the label y at alpha if z_c + alpha S_c > z_y + alpha S_y, or equal with c < y;
// evaluated as (z_y - z_c) + alpha (S_y - S_c) in double precision from float32 inputs. The tests'
// brute force uses it.
inline bool Beats(double dz, double ds, double alpha, bool c_before_y) {
  const double lead = dz + alpha * ds;
  return lead < 0 || (lead == 0 && c_before_y);
}

class AlphaCounter {
 public:
  // `classes` C; arrays passed to Add have `padded` >= C values, of which those past C must have z
  // = -inf. `most_sum`: no S exceeds it (the number of keys of a class, since every kernel value is
  // at most 1).
  AlphaCounter(const Axis& alpha, std::int64_t classes, std::int64_t padded, double most_sum);

  // One sample at one beta. z, s [padded]. Adds to where[j] / where[j + 1] the steps of "label is
  // top-1 at alpha j" and "label is in the top 5"; top1_steps, top5_steps [alpha.count + 1] are
  // difference arrays.
  void Add(const float* z, const float* s, std::int64_t label, std::int64_t* top1_steps,
           std::int64_t* top5_steps);

 private:
  struct Event {
    std::int64_t at;  // from this alpha index on
    int change;       // of the number of classes that beat the label
  };
  void FindCandidates(const float* z, const float* s, std::int64_t label);

  std::vector<double> alphas_;
  std::int64_t classes_, padded_;
  float low_, high_, slack_sum_;
  std::vector<std::uint8_t> hit_;  // [padded] may beat the label somewhere on the axis
  std::vector<std::int32_t> candidates_;
  std::vector<Event> events_;
};

// Difference array -> values, in place: steps[j] becomes the sum of steps[0..j].
void SumSteps(std::span<std::int64_t> steps);

}  // namespace clipsweep
