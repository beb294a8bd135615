// What a training is to do, read and checked.
#pragma once

#include <string>

#include "finetune/finetune_job.h"
#include "sweep/inputs.h"

namespace clipsweep {

struct TrainPlan {
  Inputs inputs;
  Queries test, val;
  // With more views than one: the training images' features view by view, [V][rows of the cache, D]
  // unit rows. Empty: the keys themselves.
  std::vector<std::vector<float>> views;
  Subset subset;
  double alpha = 0, beta = 0;  // to begin with
  std::string tuned_on;        // "val", "split", "test" or "none"
  Provenance made_from;

  // The images whose counts choose the epoch; nullptr for the last epoch.
  const Queries* Selection(Select select) const {
    return select == Select::kVal ? &val : select == Select::kTest ? &test : nullptr;
  }
};

// Throws UsageError, InputError.
TrainPlan MakeTrainPlan(const FinetuneConfig& config);

}  // namespace clipsweep
