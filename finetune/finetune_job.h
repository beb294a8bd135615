// The fine-tune stage: Tip-Adapter-F on stored features -> adapter.h5.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common/comm/comm.h"
#include "common/compute/device.h"
#include "common/files/adapter_file.h"
#include "common/files/oddities.h"
#include "common/files/provenance.h"
#include "common/files/tuned_on.h"
#include "finetune/training/train_settings.h"
#include "sweep/engine/grid_engine.h"

namespace clipsweep {

struct FinetuneConfig : TrainSettings {
  std::filesystem::path cache, features, text, out;
  std::filesystem::path val;     // needed by kVal
  std::filesystem::path sweep;   // takes alpha and beta from its cell (shots, seed) when given
  double alpha = -1, beta = -1;  // else these
  std::int64_t shots = 0;        // 0: all keys
  std::int64_t subset_seed = 1;
  std::int64_t seed = 1;  // of the order of samples
  IfPresent if_present = IfPresent::kReuse;
  Allowed allowed;
  bool count_zero_shot = true;                   // fill FinetuneResult::zero_shot
  bool resume = false;                           // take up what an interrupted training saved
  std::chrono::milliseconds save_every{10'000};  // at the ends of epochs; 0: never
};

struct FinetuneResult {
  std::int64_t samples = 0;           // of test
  TopCounts zero_shot, before, test;  // before: the untrained cache at the same alpha and beta
  double alpha = 0, beta = 0;
  std::int64_t keys = 0, shots = 0;
  std::int64_t selected_epoch = 0, select_samples = 0;
  std::vector<EpochRecord> history;
  TunedOn tuned_on = TunedOn::kNone;
  Oddities oddities;
  bool reused_output = false;
  std::string sha256;
};

// What the file would be made from. Throws UsageError, InputError.
Provenance FinetuneProvenance(const FinetuneConfig& config, const Compute& compute);

FinetuneResult RunFinetune(const FinetuneConfig& config, const Compute& compute, Comm& comm);

}  // namespace clipsweep
