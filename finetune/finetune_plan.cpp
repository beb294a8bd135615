#include "finetune/finetune_plan.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "common/process/error.h"
#include "sweep/sweep_job.h"

namespace clipsweep {
namespace {

// Alpha and beta, and what they were tuned on.
void TakePoint(const FinetuneConfig& config, TrainPlan& plan) {
  if (config.sweep.empty()) {
    plan.alpha = config.alpha;
    plan.beta = config.beta;
    CheckPoint(plan.alpha, "--alpha");
    CheckPoint(plan.beta, "--beta");
    plan.tuned_on = TunedOn::kNone;
    return;
  }
  const SweepResult sweep = ReadSweepFile(config.sweep);
  for (const char* name : {"cache_sha256", "text_sha256", "classes_sha256"}) {
    if (sweep.made_from.at(name) != plan.made_from.at(name)) {
      throw InputError(fmt::format("{}: was swept with another {}; sweep these files first",
                                   config.sweep.string(),
                                   std::string(name).substr(0, std::string(name).find('_'))));
    }
  }
  if (sweep.made_from.count("adapter_sha256") > 0) {
    throw InputError(fmt::format("{}: was swept with trained keys; give a sweep of the cache",
                                 config.sweep.string()));
  }
  if (sweep.made_from.count("subset_files_sha256") > 0) {
    throw InputError(
        fmt::format("{}: was swept over subset files, whose keys finetune does not know; give "
                    "--alpha and --beta",
                    config.sweep.string()));
  }
  for (const SweepCell& cell : sweep.cells) {
    if (cell.shots == plan.subset.shots &&
        (cell.seed == config.subset_seed || plan.subset.shots == MostKeys(plan.inputs))) {
      plan.alpha = cell.alpha;
      plan.beta = cell.beta;
      // Whatever the sweep called it: what chose alpha and beta must not be what is measured here.
      const bool on_test =
          sweep.made_from.at("tune_sha256") == plan.made_from.at("features_sha256");
      plan.tuned_on = on_test ? TunedOn::kTest : sweep.tuned_on;
      plan.made_from["tune_sha256"] = sweep.made_from.at("tune_sha256");
      plan.inputs.oddities.Add(RecordedOddities(sweep.made_from));
      RecordOddities(plan.inputs.oddities, plan.made_from);
      return;
    }
  }
  throw InputError(fmt::format("{}: has no cell for {} shots and subset seed {}; sweep them first",
                               config.sweep.string(), plan.subset.shots, config.subset_seed));
}

// The keys, and the images view by view when there are several.
void LoadTrainingImages(const FeatureReader& file, std::vector<float>& keys,
                        std::vector<std::vector<float>>& views) {
  const auto width = static_cast<std::size_t>(file.about().width),
             count = static_cast<std::size_t>(file.about().count);
  keys.resize(count * width);
  if (file.about().views > 1) {
    views.assign(static_cast<std::size_t>(file.about().views), std::vector<float>(count * width));
  }
  file.ForEachRow([&](std::int64_t row, std::span<const float> all) {
    const std::size_t at = static_cast<std::size_t>(row) * width;
    MeanOfViews(all, {keys.data() + at, width});
    NormalizeRow({keys.data() + at, width});
    for (std::size_t v = 0; v < views.size(); ++v) {
      std::copy_n(all.begin() + static_cast<std::ptrdiff_t>(v * width), width,
                  views[v].begin() + static_cast<std::ptrdiff_t>(at));
      NormalizeRow({views[v].data() + at, width});
    }
  });
}

}  // namespace

TrainPlan MakeTrainPlan(const FinetuneConfig& config) {
  CheckTrainSettings(config);
  CheckShots(config.shots);
  TrainPlan plan;
  plan.cache_file.emplace(config.cache);
  plan.inputs = LoadInputs(config.text, plan.cache_file->about(), "cache", config.allowed);
  if (config.shots > MostKeys(plan.inputs)) {
    throw InputError(fmt::format("--shots: {} asked but the largest class of {} has {} keys",
                                 config.shots, config.cache.string(), MostKeys(plan.inputs)));
  }
  plan.subset =
      MakeSubset(plan.inputs, config.shots, static_cast<std::uint64_t>(config.subset_seed));
  plan.test_file.emplace(config.features);
  const FeatureSet& test = plan.test_file->about();
  plan.made_from = plan.inputs.made_from;
  plan.made_from["features_sha256"] = test.content_sha256;
  if (config.select == Select::kVal) {
    if (config.val.empty())
      throw UsageError("--select val: give the validation features with --val");
    plan.val_file.emplace(config.val);
    const FeatureSet& val = plan.val_file->about();
    if (val.content_sha256 == test.content_sha256 && !config.allowed.overlap) {
      throw InputError(fmt::format(
          "{}: --val holds the same images as --features; give other images, or --select test",
          config.val.string()));
    }
    plan.made_from["select_sha256"] = val.content_sha256;
    NoteClasses(plan.inputs, val, "select_classes_sha256", plan.made_from);
    plan.val = LoadQueries(plan.inputs, val, "val");
  }
  NoteClasses(plan.inputs, test, "features_classes_sha256", plan.made_from);
  plan.test = LoadQueries(plan.inputs, test, "features");
  RequireTogether(plan.inputs, config.allowed, plan.made_from);
  TakePoint(config, plan);
  if (config.learn.beta && plan.beta == 0) {
    throw InputError("--learn beta: starts at a beta above 0, this is 0");
  }
  if (config.select == Select::kVal && plan.tuned_on == TunedOn::kNone) {
    plan.tuned_on = TunedOn::kVal;
  }
  const auto selected = plan.made_from.find("select_sha256");
  const bool on_test =
      selected != plan.made_from.end() && selected->second == plan.made_from.at("features_sha256");
  if (config.select == Select::kTest || on_test) plan.tuned_on = TunedOn::kTest;
  const auto set = [&](const char* name, auto value) {
    plan.made_from[name] = fmt::format("{}", value);
  };
  set("alpha", plan.alpha);
  set("beta", plan.beta);
  set("shots", plan.subset.shots);
  set("subset_seed", config.subset_seed);
  set("epochs", config.epochs);
  set("batch", config.batch);
  set("lr", config.lr);
  set("eps", config.eps);
  set("weight_decay", config.weight_decay);
  set("seed", config.seed);
  set("select", SelectName(config.select));
  set("patience", config.patience);
  set("learn", config.learn.Names());
  plan.made_from["tuned_on"] = TunedOnName(plan.tuned_on);
  InheritMaking(plan.inputs.files.front().made_from, plan.made_from);
  return plan;
}

void LoadTrainFeatures(TrainPlan& plan) {
  LoadTrainingImages(*plan.cache_file, plan.inputs.cache_model.keys, plan.views);
  if (plan.val_file) LoadFeatures(*plan.val_file, plan.val);
  LoadFeatures(*plan.test_file, plan.test);
}

}  // namespace clipsweep
