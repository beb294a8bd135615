// The whole study in one call: extract, text, sweep, fine-tune and evaluate for every shot count and
// subset seed, into one run folder whose files are reused while what they were made from stays the
// same. Killed at any point, the same call goes on.
#pragma once

#include <string>
#include <vector>

#include "common/comm.h"
#include "common/device.h"
#include "launch/experiment/config.h"

namespace clipsweep {

// Throws before anything runs when the options or the files they name would fail later. Collective.
void CheckExperiment(const ExperimentConfig& config, Comm& comm);

ExperimentResult RunExperiment(const ExperimentConfig& config, const Compute& compute, Comm& comm);

// What a run would do, nothing done or written.
struct PlannedStage {
  enum class What { kKept, kRuns, kRefuses, kSameAsBefore };
  std::string name;
  std::filesystem::path out;
  What what = What::kRuns;
  std::string why;  // "is not there", "alpha was .., now ..", "extract train runs"
};
const char* PlannedName(PlannedStage::What what);  // "kept", "runs", "refuses", "same"
// On rank 0; empty elsewhere. Collective.
std::vector<PlannedStage> PlanExperiment(const ExperimentConfig& config, const Compute& compute,
                                         Comm& comm);

}  // namespace clipsweep
