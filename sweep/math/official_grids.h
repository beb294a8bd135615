// The grids of the official Tip-Adapter search: per data set a scale of beta and of alpha, 200 x 20
// steps.
#pragma once

#include <string>

#include "sweep/math/grid.h"

namespace clipsweep {

struct OfficialGrid {
  Axis alpha, beta;
};

// Throws UsageError naming the known data sets.
OfficialGrid FindOfficialGrid(const std::string& dataset);

}  // namespace clipsweep
