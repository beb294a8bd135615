#pragma once

#include <vector>

namespace clipsweep {

// Mean and half-width of the 95 % interval (Student's t over the values); 0 for a single value.
struct MeanInterval {
  double mean = 0, half_width = 0;
};
MeanInterval Summarize(const std::vector<double>& values);

}  // namespace clipsweep
