// How a classifier is trained on stored features, whichever features.
#pragma once

#include <cstdint>
#include <string>

#include "finetune/training/key_block.h"

namespace clipsweep {

// Which epoch's keys are kept.
enum class Select { kLast, kVal, kTest };
Select ParseSelect(const std::string& name);  // throws UsageError
const char* SelectName(Select select);

struct TrainSettings {
  std::int64_t epochs = 20, batch = 256;
  double lr = 1e-3, eps = 1e-4, weight_decay = 0.01;
  Select select = Select::kLast;
  std::int64_t patience = 0;  // stop after so many epochs without a better one; 0: never
  Learn learn;
};

// Throws UsageError, InputError for numbers that no training can be run with.
void CheckTrainSettings(const TrainSettings& settings);

}  // namespace clipsweep
