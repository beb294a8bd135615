#include "sweep/math/official_grids.h"

#include <fmt/core.h>

#include "common/process/error.h"
#include "common/process/log.h"

namespace clipsweep {
namespace {

struct Scales {
  const char* dataset;
  double beta, alpha;
};

// Of the data sets' configuration files in the official repository (search_scale).
constexpr Scales kScales[] = {
    {"imagenet", 7, 3},         {"caltech101", 12, 5}, {"dtd", 13, 13},
    {"eurosat", 12, 10},        {"fgvc", 30, 30},      {"food101", 10, 10},
    {"oxford_flowers", 50, 50}, {"oxford_pets", 7, 3}, {"stanford_cars", 20, 10},
    {"sun397", 12, 10},         {"ucf101", 7, 3},
};
constexpr double kLowest = 0.1;

Axis Steps(double scale, std::int64_t count) {
  return {kLowest, (scale - kLowest) / static_cast<double>(count), count};
}

}  // namespace

OfficialGrid FindOfficialGrid(const std::string& dataset) {
  std::string known;
  for (const Scales& scales : kScales) {
    if (dataset == scales.dataset) return {Steps(scales.alpha, 20), Steps(scales.beta, 200)};
    known += fmt::format("{}{}", known.empty() ? "" : ", ", scales.dataset);
  }
  throw UsageError(
      fmt::format("--dataset: '{}' has no official grid; known are {}", Printable(dataset), known));
}

}  // namespace clipsweep
