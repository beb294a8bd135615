// What a training is to do, read and checked.
#pragma once

#include <optional>
#include <string>

#include "finetune/finetune_job.h"
#include "sweep/inputs.h"

namespace clipsweep {

struct TrainPlan {
  FewShotInputs inputs;
  Queries test, val;
  // With more views than one: the training images' features view by view, [V][rows of the cache, D]
  // unit rows. Empty: the keys themselves.
  std::vector<std::vector<float>> views;
  Subset subset;
  double alpha = 0, beta = 0;  // to begin with
  TunedOn tuned_on = TunedOn::kNone;
  Provenance made_from;
  // The files whose features are still to be read.
  std::optional<FeatureReader> cache_file, val_file, test_file;

  // The images whose counts choose the epoch; nullptr for the last epoch.
  const Queries* Selection(Select select) const {
    return select == Select::kVal ? &val : select == Select::kTest ? &test : nullptr;
  }
};

// Reads all but the features of the files that the options name. Throws UsageError, InputError.
TrainPlan MakeTrainPlan(const FinetuneConfig& config);

// Reads the features. Throws InputError.
void LoadTrainFeatures(TrainPlan& plan);

}  // namespace clipsweep
