// The test images' features in two dimensions.
#pragma once

#include <cstdint>
#include <vector>

#include "common/files/feature_file.h"

namespace clipsweep {

struct FeatureMap {
  struct Point {
    double x, y;
    std::int32_t label;
  };
  std::vector<Point> points;        // at most 2,000, evenly spread over the file
  double share_x = 0, share_y = 0;  // of the variance, fractions of 1
};

// The first two principal components of the unit rows (the larger component of each axis is made
// positive, so that the map is the same each time). Throws InputError.
FeatureMap MapFeatures(const FeatureReader& features);

}  // namespace clipsweep
