// What a classifier says of every test image: zero-shot, Tip-Adapter at one point of the grid, or a
// trained adapter -> predictions.h5.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "common/comm/comm.h"
#include "common/compute/device.h"
#include "common/files/oddities.h"
#include "common/files/provenance.h"
#include "sweep/math/cache_model.h"

namespace clipsweep {

struct EvaluateConfig {
  std::filesystem::path features, text;
  std::filesystem::path out;      // empty: counts alone
  std::filesystem::path cache;    // with alpha, beta, shots, subset_seed: Tip-Adapter
  std::filesystem::path adapter;  // trained keys. Neither: zero-shot
  // A classifier or adapter file, which needs no text beside it.
  std::filesystem::path classifier;
  double alpha = 0, beta = 0;
  std::int64_t shots = 0;  // 0: all keys
  std::int64_t subset_seed = 1;
  Allowed allowed;
  IfPresent if_present = IfPresent::kReuse;
};

struct EvaluateResult {
  std::int64_t samples = 0;
  TopCounts counts;
  Oddities oddities;
  bool reused_output = false;
};

// What the file would be made from. Throws InputError.
Provenance EvaluateProvenance(const EvaluateConfig& config);

// Classifies on the CPU, with compute.workers threads, and says so in the file.
EvaluateResult RunEvaluate(const EvaluateConfig& config, const Compute& compute, Comm& comm);

}  // namespace clipsweep
