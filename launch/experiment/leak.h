// What it is worth to let the test images choose: each method chosen on validation images and on
// test, both measured on test.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "launch/options/command.h"

namespace clipsweep {

struct LeakRow {
  std::string method;  // its title
  std::int64_t shots = 0;
  double on_val = 0, on_test = 0;  // mean top-1 over subsets, fractions of 1
};

// Of the member "fits" of results.json; methods and shot counts that were chosen on both, in the
// order of the table and of shots.
std::vector<LeakRow> LeakOf(const Json& results);

}  // namespace clipsweep
