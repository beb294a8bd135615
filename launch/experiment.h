// The whole study in one call: extract, text, zero-shot, sweep, fine-tune for every shot count and
// subset seed, into one run folder whose files are reused while what they were made from stays the
// same.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common/comm.h"
#include "common/device.h"
#include "common/statistics.h"
#include "extract/model_options.h"
#include "finetune/finetune_job.h"
#include "sweep/sweep_job.h"

namespace clipsweep {

struct ExperimentConfig {
  ModelOptions model;
  std::filesystem::path train, val, test;  // image folders; val may be empty with tune "test"
  std::filesystem::path classnames;
  std::string templates = "imagenet-1";
  std::vector<std::int64_t> shots = {1, 5, 16};
  std::vector<std::int64_t> seeds = {1, 2, 3, 4, 5};
  std::string alpha = "0.5:2.5:0.02", beta = "3:7:0.1";
  std::string tune = "val";  // "val", or "test" (labelled)
  std::int64_t views = 1;    // of the training images
  bool skip_bad_images = false;
  std::int64_t max_bad = -1;  // of each folder
  std::int64_t epochs = 20, batch = 256;
  double lr = 1e-3;
  std::int64_t seed = 1;
  std::filesystem::path run;  // folder
  bool fresh = false;         // make everything anew
};

// Accuracies of one method at one shot count over the distinct subsets, as fractions of 1.
struct MethodRow {
  std::string method;  // "zero-shot", "Tip-Adapter", "Tip-Adapter-F"
  std::int64_t shots = 0;
  std::vector<double> top1, top5;  // by seed; one value for zero-shot and for all keys
};

struct ExperimentResult {
  std::vector<MethodRow> rows;
  std::vector<SweepCell> cells;
  std::vector<FinetuneResult> adapters;  // in the order of cells
  std::int64_t test_samples = 0, classes = 0;
  std::int64_t most_keys = 0;  // this many shots are all keys, whatever the seed
  TopCounts zero_shot;
  std::string tuned_on;
  std::vector<std::pair<std::string, double>> stage_seconds;
};

ExperimentResult RunExperiment(const ExperimentConfig& config, const Compute& compute, Comm& comm);

}  // namespace clipsweep
