// The whole study in one call: extract, text, sweep, fine-tune and evaluate for every shot count
// and subset seed, into one run folder whose files are reused while what they were made from stays
// the same. Killed at any point, the same call goes on.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/comm/comm.h"
#include "common/compute/device.h"
#include "launch/experiment/config.h"

namespace clipsweep {

// `config`: as TakeStoredFeatures left it. `stage_done` is called on rank 0 after every stage with
// what there is so far. The caller holds the lock on the run folder. Collective.
ExperimentResult RunExperiment(const ExperimentConfig& config, const Compute& compute, Comm& comm,
                               const std::function<void(const ExperimentResult&)>& stage_done);

// What a run would do; nothing in the run folder is touched. A stage refuses where the run would
// stop at it, and is blocked when one before it refuses.
struct PlannedStage {
  enum class What { kKept, kRuns, kRefuses, kBlocked, kSameAsBefore };
  std::string name;
  std::filesystem::path out;
  What what = What::kRuns;
  std::string why;  // "is not there", "alpha was .., now ..", "extract train runs"
};
const char* PlannedName(PlannedStage::What what);  // "kept", "runs", "refuses", "blocked", "same"
// On rank 0; empty elsewhere. Throws what the run would end with before its first stage.
// Collective.
std::vector<PlannedStage> PlanExperiment(const ExperimentConfig& config, const Compute& compute,
                                         Comm& comm);

}  // namespace clipsweep
