// Tip-Adapter-F's training.
#pragma once

#include "finetune/finetune_plan.h"
#include "finetune/training/train_state.h"

namespace clipsweep {

// Trains, or goes on with what the store holds; keeps the selected epoch's keys and measures them
// on test once. Collective. After a signal saves and throws Interrupted; throws AgreedError when
// the training diverges.
AdapterData Train(const FinetuneConfig& config, const TrainPlan& plan, const Compute& compute,
                  StateStore& store, Comm& comm);

}  // namespace clipsweep
