#include "launch/nightly/compare.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace clipsweep {
namespace {

constexpr double kSigma = 1.4826;  // of a normal distribution, in median absolute deviations

// Room above (seconds) or below (throughput) the median, in the figure's unit.
double Room(const std::vector<double>& values, double median, const TimeBand& band) {
  std::vector<double> deviations;
  for (const double value : values) deviations.push_back(std::abs(value - median));
  return std::max(band.share * median, band.deviations * kSigma * Median(std::move(deviations)));
}

}  // namespace

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

std::vector<Regression> CompareCounts(const std::vector<Figure>& tonight,
                                      const std::vector<Figure>& reference) {
  std::map<std::string, double> now;
  for (const Figure& figure : tonight) {
    if (figure.kind == "count") now[figure.name] = figure.value;
  }
  std::vector<Regression> regressions;
  for (const Figure& before : reference) {
    if (before.kind != "count") continue;
    const auto found = now.find(before.name);
    if (found == now.end()) {
      regressions.push_back(
          {before.name, before.kind, 0, before.value, before.value,
           fmt::format("{}: is gone, was {:.0f} right", before.name, before.value)});
    } else if (found->second != before.value) {
      regressions.push_back(
          {before.name, before.kind, found->second, before.value, before.value,
           fmt::format("{}: {:.0f} right, was {:.0f}", before.name, found->second, before.value)});
    }
  }
  return regressions;
}

std::vector<Regression> CompareTimes(const std::vector<Figure>& tonight,
                                     const std::vector<std::vector<Figure>>& nights,
                                     const TimeBand& band) {
  std::map<std::string, std::vector<double>> before;
  for (const auto& night : nights) {
    for (const Figure& figure : night) before[figure.name].push_back(figure.value);
  }
  std::vector<Regression> regressions;
  for (const Figure& figure : tonight) {
    const auto found = before.find(figure.name);
    const bool slower_is_more = figure.kind == "seconds";
    if ((!slower_is_more && figure.kind != "throughput") || found == before.end()) continue;
    const double median = Median(found->second), room = Room(found->second, median, band);
    const double limit = slower_is_more ? median + std::max(room, band.floor) : median - room;
    // Less throughput counts when it cost at least the floor.
    const double lost =
        slower_is_more || median <= 0 ? band.floor : figure.seconds * (1 - figure.value / median);
    const bool slow = slower_is_more ? figure.value > limit : figure.value < limit;
    if (!slow || lost < band.floor) continue;
    regressions.push_back(
        {figure.name, figure.kind, figure.value, median, limit,
         fmt::format("{}: {:.4g} {}, median of {} nights {:.4g}, limit {:.4g}", figure.name,
                     figure.value, figure.unit, found->second.size(), median, limit)});
  }
  return regressions;
}

}  // namespace clipsweep
