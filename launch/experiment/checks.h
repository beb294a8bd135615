// What an experiment would stop on later, looked for at its start and by its plan.
#pragma once

#include <filesystem>
#include <memory>

#include "common/comm/comm.h"
#include "common/compute/device.h"
#include "launch/experiment/config.h"

namespace clipsweep {

// Throws before anything runs when the options or the files they name would fail later. Collective.
void CheckExperiment(const ExperimentConfig& config, Comm& comm);

// Opens the checkpoint; where a stage will need them, makes both encoders, which looks at every
// weight. Whoever holds what it returns keeps the stages from opening the checkpoint again. Throws
// InputError, UsageError.
std::shared_ptr<const Checkpoint> CheckModel(const ExperimentConfig& config,
                                             const Compute& compute);

// Throws InputError naming the first of the list's pictures that cannot be opened, unless such
// pictures may be left out. `list`: empty for the whole folder.
void CheckPictures(const ExperimentConfig& config, const std::filesystem::path& images,
                   const std::filesystem::path& list);

}  // namespace clipsweep
