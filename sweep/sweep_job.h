// The sweep stage: cache, features and text -> counts over the alpha x beta grid for every shot
// count and subset seed, the best cell of each, and that cell measured on test.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/comm/comm.h"
#include "common/compute/device.h"
#include "common/files/oddities.h"
#include "common/files/provenance.h"
#include "common/files/tuned_on.h"
#include "sweep/engine/grid_engine.h"
#include "sweep/few_shot_plan.h"

namespace clipsweep {

inline constexpr const char* kSweepFormat = "clipsweep-sweep";
// Changes whenever the counts of the same inputs may.
inline constexpr const char* kEngine = "exact-alpha-4";

// What is swept and how the work is divided, whichever features.
struct SweepSettings {
  std::string alpha, beta;    // lo:hi:step
  std::string grid, dataset;  // "official" and its data set, instead of alpha and beta
  Partition partition = Partition::kSamples;
};

struct SweepGrid {
  Axis alpha, beta;
  std::string alpha_text, beta_text;  // as provenance has them
};
// Throws UsageError, InputError naming the option.
SweepGrid ReadGrid(const SweepSettings& settings);

struct SweepConfig : SweepSettings {
  std::filesystem::path cache, features, text, out;
  std::filesystem::path adapter;  // trained keys instead of a cache
  TuneOn tune;
  std::uint64_t split_seed = 1;     // of the images "split" holds out
  std::vector<std::int64_t> shots;  // empty: all keys
  std::vector<std::int64_t> seeds = {1};
  std::vector<std::filesystem::path> subset_files;  // instead of seeds: subset_file.h
  IfPresent if_present = IfPresent::kReuse;
  Allowed allowed;
  bool resume = false;                           // take up what an interrupted sweep saved
  std::chrono::milliseconds save_every{30'000};  // 0: never
};

struct SweepCell {
  std::int64_t shots = 0, seed = 0;  // or the subset file's number, from 0
  double alpha = 0, beta = 0;        // the first strict maximum, beta outer, alpha inner
  TopCounts tuned, test;
  // On the tuning set, over real alphas at the grid's betas; no value: too many crossings to keep.
  std::optional<ExactAlpha> exact;
  double exact_beta = 0;
};

struct SweepResult {
  std::int64_t tune_samples = 0, test_samples = 0;
  TunedOn tuned_on = TunedOn::kVal;
  std::int64_t points = 0;       // of the grid
  TopCounts zero_shot;           // on test
  TopCounts tune_zero_shot;      // on the tuning set
  std::vector<SweepCell> cells;  // shots outer, seeds inner
  // This many shots are all keys, whatever the seed; 0 when subset files named the keys.
  std::int64_t most_keys = 0;
  Provenance made_from;
  Oddities oddities;
  bool reused_output = false;
  std::int64_t resumed_items = 0;  // taken up from an interrupted sweep; on rank 0
  std::string sha256;
};

// What the file would be made from. Throws UsageError, InputError.
Provenance SweepProvenance(const SweepConfig& config, const Compute& compute);

SweepResult RunSweep(const SweepConfig& config, const Compute& compute, Comm& comm);

// The cells of a sweep file, without its grid. Throws InputError.
SweepResult ReadSweepFile(const std::filesystem::path& path);

struct PointConfig {
  std::filesystem::path cache, features, text;  // no cache: zero-shot
  double alpha = 0, beta = 0;
  std::int64_t shots = 0;  // 0: all keys
  std::int64_t seed = 1;
  Allowed allowed;
};

struct PointResult {
  std::int64_t samples = 0;
  Oddities oddities;
  TopCounts zero_shot, test;  // equal for zero-shot
};

// `zeroshot` and `tip`: one point of the grid, nothing written.
PointResult RunPoint(const PointConfig& config, const Compute& compute, Comm& comm);

}  // namespace clipsweep
