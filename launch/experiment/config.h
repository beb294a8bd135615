// What an experiment is asked to do and what it gives.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/data/left_out.h"
#include "common/files/prediction_file.h"
#include "common/files/shared_pictures.h"
#include "common/files/tuned_on.h"
#include "extract/extract_job.h"
#include "extract/models/model_options.h"
#include "finetune/finetune_job.h"
#include "finetune/fit_job.h"
#include "sweep/sweep_job.h"

namespace clipsweep {

// What --fresh asks for: stages or their files by name, and with them what stands on them.
struct Fresh {
  bool everything = false;
  std::vector<std::string> names;
};

// What chooses alpha, beta and epoch; on test it is labelled so.
enum class Tune { kVal, kTest };

// A file that was there before the run and is read where it is.
struct StoredFile {
  std::filesystem::path path;
  std::string sha256;  // its seal
};

struct ExperimentConfig {
  std::string title;  // of the data set, for the report; may be empty
  ModelOptions model;
  std::filesystem::path train, val, test;  // image folders; no val: held out of train
  std::filesystem::path images, split;     // or one folder and CoOp's split_zhou_*.json
  std::filesystem::path classnames;        // empty: folder names, or those of the split
  // Or, instead of a model and images, a folder of features and text. TakeStoredFeatures fills in
  // `stored` and what the files say themselves: templates, compare_templates, extract.views.
  std::filesystem::path features_from;
  std::map<std::string, StoredFile> stored;  // by the names they have in a run folder
  std::string templates = "imagenet-1";      // of the text weights that few-shot methods stand on
  // Zero-shot is measured with these too, side by side.
  std::vector<std::string> compare_templates = {"imagenet-1", "imagenet-7", "imagenet-80"};
  std::vector<std::int64_t> shots = {1, 5, 16};
  std::vector<std::int64_t> seeds = {1, 2, 3, 4, 5};
  Tune tune = Tune::kVal;
  ExtractSettings extract;  // views: of the training images alone; max_bad: of each folder
  SweepSettings sweep;
  TrainSettings training;
  std::vector<std::string> methods;  // of the table, fitted besides those of every study
  bool leak = false;                 // also choose on test, to show what that is worth
  // Between savings of a sweep's blocks and at the ends of a training's epochs; none: as they have
  // it.
  std::optional<std::chrono::milliseconds> save_every;
  std::int64_t seed = 1;
  std::filesystem::path run;  // folder
  Fresh fresh;                // make this anew
  Allowed allowed;            // of pictures that are in two of train, val and test

  bool tune_on_test() const { return tune == Tune::kTest; }
  bool has_features() const { return !features_from.empty(); }
  // A file of the run, wherever it is.
  std::filesystem::path File(const std::string& name) const {
    const auto found = stored.find(name);
    return found == stored.end() ? run / name : found->second.path;
  }
};

// Accuracies of one method at one shot count over the distinct subsets, as fractions of 1.
struct MethodRow {
  std::string method;  // "zero-shot", "Tip-Adapter", "Tip-Adapter-F"
  std::string templates;
  std::int64_t shots = 0;
  std::vector<double> top1, top5;  // by seed; one value for zero-shot and for all keys
};

// One classifier looked at image by image: of the first subset seed where there are several.
struct Evaluation {
  std::string method, templates;
  std::int64_t shots = 0;
  std::filesystem::path file;  // predictions
  PredictionSummary summary;
};

// A method fitted to one subset.
struct MethodFit {
  std::int64_t shots = 0, seed = 0;
  TunedOn chosen_on = TunedOn::kVal;  // the images that could choose
  FitResult fit;
};

// What one stage took on every rank.
struct StageTime {
  struct Rank {
    double seconds = 0, cpu_seconds = 0;
    std::int64_t items = 0;
  };
  std::string name, unit;
  bool reused = false;
  bool resumed = false;      // only its last part: what an interrupted run had saved was taken up
  bool shared_work = false;  // ranks go through the same items together
  std::vector<Rank> ranks;   // on rank 0
  std::string ended;         // UTC

  double seconds() const;      // of the slowest rank
  std::int64_t items() const;  // of all ranks, or of one where they share the work
};

struct ExperimentResult {
  std::vector<MethodRow> rows;
  std::vector<SweepCell> cells;
  std::vector<FinetuneResult> adapters;  // in the order of cells
  std::vector<MethodFit> fits;           // methods outer, then shots, then seeds
  std::vector<Evaluation> evaluations;
  std::int64_t test_samples = 0, classes = 0;
  std::int64_t most_keys = 0;               // this many shots are all keys, whatever the seed
  std::map<std::string, LeftOut> left_out;  // of the image folders, by split: "train"
  TunedOn tuned_on = TunedOn::kVal;
  std::map<std::string, Duplicates> duplicates;  // feature file -> the same picture more than once
  Oddities oddities;  // of what the sweep, the trainings and the evaluations stand on
  std::vector<std::filesystem::path> files;  // what the stages made, in that order
  std::vector<StageTime> stages;             // in the order they ran
};

}  // namespace clipsweep
