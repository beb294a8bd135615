// What a run would do, stage by stage.
#pragma once

#include <string>
#include <vector>

#include "launch/experiment/data.h"
#include "launch/experiment/experiment.h"
#include "launch/experiment/stages.h"

namespace clipsweep {

// Reads every list as the extractions will and throws InputError, naming all of them, when files
// that are to be kept were made otherwise. New lists need not be on disk.
void CheckKept(const ExperimentConfig& config, const ExperimentData& data, const Compute& compute);

// "cannot be kept" in one line: each refused file with why, and what to do. "" for none.
std::string Refusals(const std::vector<PlannedStage>& plan);

}  // namespace clipsweep
