// The fit stage: a few-shot method of the table on stored features -> classifier.h5.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common/comm/comm.h"
#include "common/compute/device.h"
#include "common/files/classifier_file.h"
#include "common/files/oddities.h"
#include "common/files/provenance.h"
#include "finetune/methods/method.h"
#include "sweep/few_shot_plan.h"

namespace clipsweep {

struct FitConfig {
  std::string method;                 // name in the table
  std::vector<std::string> settings;  // "name=value"
  std::filesystem::path cache, text, out;
  std::filesystem::path features;  // measured; may be empty
  TuneOn tune;                     // kNone: defaults, last epoch
  std::uint64_t split_seed = 1;
  std::int64_t shots = 0;  // 0: all keys
  std::int64_t subset_seed = 1;
  std::int64_t seed = 1;  // of order of samples and random starts
  IfPresent if_present = IfPresent::kReuse;
  Allowed allowed;
  bool resume = false;                           // take up what an interrupted training saved
  std::chrono::milliseconds save_every{10'000};  // at the ends of epochs; 0: never
};

struct FitResult {
  ClassifierData classifier;
  std::int64_t keys = 0, shots = 0;
  std::int64_t test_samples = 0;  // 0: no features were given
  TopCounts test;
  double seconds = 0;      // of this process: 0 where the output was up to date
  std::int64_t steps = 0;  // of a training, in this process
  double median_step_seconds = 0;
  std::int64_t peak_memory = 0;  // bytes, the most this process has held so far
  Oddities oddities;
  bool reused_output = false;
};

// What the file would be made from. Throws UsageError, InputError.
Provenance FitProvenance(const FitConfig& config);

// Computes on the CPU, whatever `compute` names, with its workers.
FitResult RunFit(const FitConfig& config, const Compute& compute, Comm& comm);

}  // namespace clipsweep
