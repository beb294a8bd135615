// Did any answer change, did anything get slower?
#pragma once

#include <string>
#include <vector>

#include "launch/nightly/history.h"

namespace clipsweep {

// How much slower than the median of comparable nights is too slow: the largest of the three.
struct TimeBand {
  double share = 0.25;    // of the median
  double deviations = 5;  // times 1.4826 * median absolute deviation, a robust sigma
  double floor = 1.0;     // seconds
};

struct Regression {
  std::string name, kind;
  double value = 0, reference = 0;
  double limit = 0;  // what would still have been right
  std::string text;  // "Tip-Adapter 16-shot seed 31 top1: 800 right, was 801"
};

// Counts against `reference` (empty: nothing to compare with): a count that differs, or that is
// gone, is a regression: the same inputs give the same answers, so a better one is as suspicious as
// a worse.
std::vector<Regression> CompareCounts(const std::vector<Figure>& tonight,
                                      const std::vector<Figure>& reference);

// Seconds and throughput against the same figures of earlier nights.
std::vector<Regression> CompareTimes(const std::vector<Figure>& tonight,
                                     const std::vector<std::vector<Figure>>& nights,
                                     const TimeBand& band);

double Median(std::vector<double> values);  // not empty

}  // namespace clipsweep
