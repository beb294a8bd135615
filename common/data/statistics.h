#pragma once

#include <optional>
#include <vector>

namespace clipsweep {

// Mean and half-width of the 95 % interval (Student's t over the values). A single value does not
// tell how much values scatter: no half-width then. With two values it is 12.7 standard errors and
// may well be more than the mean.
struct MeanInterval {
  double mean = 0;
  std::optional<double> half_width;
};
// `values` must not be empty.
MeanInterval Summarize(const std::vector<double>& values);

}  // namespace clipsweep
