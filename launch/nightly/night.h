// One night: an experiment, its figures in the history, what changed, and the files that say so.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "launch/experiment/config.h"
#include "launch/nightly/compare.h"
#include "launch/nightly/summary.h"
#include "launch/options/command.h"

namespace clipsweep {

struct NightConfig {
  ExperimentConfig experiment;       // its run folder holds a folder a night
  std::filesystem::path history;     // empty: RUN/history.sqlite
  std::filesystem::path prometheus;  // text file for the node exporter, empty for none
  std::string commit, machine;
  std::int64_t window = 14;  // nights whose median times are compared with
  TimeBand band;
  double every_hours = 24;  // a longer gap is filled with missed nights; 0: nights are not regular
  bool reuse = false;       // one folder for all nights; only what is new is computed
  bool accept = false;      // tonight's answers become the reference
  std::int64_t keep_nights = 1000;  // in the history
  std::int64_t keep_runs = 14;      // folders
  std::string on_regression;        // shell command, also for a failed night
};

// Collective; the outcome is rank 0's, its status known to all. A night that fails is recorded,
// then its error is thrown.
NightOutcome RunNight(const NightConfig& config, const CommandContext& context);

}  // namespace clipsweep
