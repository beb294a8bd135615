// Features and text that are there before an experiment (--features-from): train.h5, test.h5,
// text.h5, val.h5 where there is one, and text-LABEL.h5, with which zero-shot is measured too. They
// are read where they are. Without val.h5, and unless test chooses, some of train are held out.
#pragma once

#include "common/comm/comm.h"
#include "launch/experiment/config.h"

namespace clipsweep {

// Finds the files and fills in `config`; does nothing where images are the source. Throws
// InputError naming all that are missing. Collective.
void TakeStoredFeatures(ExperimentConfig& config, Comm& comm);

// Throws InputError where the files do not belong together, or have not what is asked for.
void CheckStoredFeatures(const ExperimentConfig& config);

// Classes, and pictures that stand twice in a file: what extractions find else.
void DescribeStoredFeatures(const ExperimentConfig& config, ExperimentResult& result);

// Whether some of train.h5 are held out.
bool HoldsOut(const ExperimentConfig& config);

}  // namespace clipsweep
