// What a night leaves for people and machines: Markdown, JSON, a page of trends, a text file for
// Prometheus' node exporter.
#pragma once

#include <string>
#include <vector>

#include "launch/nightly/compare.h"
#include "launch/nightly/history.h"
#include "launch/options/command.h"

namespace clipsweep {

struct NightOutcome {
  Night night;
  std::vector<Figure> figures;
  std::vector<Regression> regressions;
  std::int64_t compared_counts_with =
      0;                                 // id of the night whose answers are the reference, 0: none
  std::int64_t compared_times_with = 0;  // number of nights
  std::int64_t missed = 0, abandoned = 0;  // found out at the start of this one
};

std::string SummaryMarkdown(const NightOutcome& outcome);
Json SummaryJson(const NightOutcome& outcome);
// Gauges clipsweep_figure{name, kind}, clipsweep_regressions, clipsweep_night_ok and the
// time of the night.
std::string PrometheusText(const NightOutcome& outcome);
// Accuracies and times of the nights, oldest first, with a table of what happened.
std::string TrendPage(const std::vector<Night>& nights,
                      const std::vector<std::vector<Figure>>& figures);

}  // namespace clipsweep
