#include "finetune/fit_job.h"

#include <fmt/core.h>

#include <algorithm>

#include "common/compute/tensors.h"
#include "common/files/shared_pictures.h"
#include "common/files/stage_output.h"
#include "common/process/error.h"
#include "common/process/liveness.h"
#include "common/process/log.h"
#include "finetune/methods/all_methods.h"
#include "finetune/methods/free_memory.h"
#include "finetune/methods/tuning.h"
#include "sweep/load_keys.h"

namespace clipsweep {
namespace {

// Changes whenever the classifiers of the same inputs may.
constexpr const char* kFitEngine = "methods-1";

struct FitPlan : FewShotPlan {
  const Method* method = nullptr;
  Settings fixed;
  Subset subset;
};

FitPlan MakeFitPlan(const FitConfig& config) {
  FitPlan plan;
  plan.method = &FindMethod(config.method, "--method");
  const MethodInfo info = plan.method->Info();
  plan.fixed = ParseSettings(info, config.settings);
  CheckShots(config.shots);
  if (config.tune.kind == TunedOn::kTest && config.features.empty()) {
    throw UsageError("--tune-on test: needs --features, the images to tune on");
  }
  plan.cache_file.emplace(config.cache);
  plan.inputs = LoadInputs(config.text, plan.cache_file->about(), "cache", config.allowed);
  ReadQueries({config.features, config.tune, config.split_seed, config.shots, config.allowed},
              plan);
  if (config.shots > MostKeys(plan.inputs)) {
    throw InputError(fmt::format("--shots: {} asked but the largest class of {} has {} keys{}",
                                 config.shots, config.cache.string(), MostKeys(plan.inputs),
                                 plan.tuned_on == TunedOn::kSplit ? " beside those held out" : ""));
  }
  plan.subset =
      MakeSubset(plan.inputs, config.shots, static_cast<std::uint64_t>(config.subset_seed));
  if (plan.tuned_on != TunedOn::kTest) {  // measured afterwards: the classifier does not know them
    plan.made_from.erase("features_sha256");
    plan.made_from.erase("features_classes_sha256");
  }
  plan.made_from["method"] = info.name;
  plan.made_from["fit"] = kFitEngine;
  for (const Setting& setting : info.settings) {
    const auto given = plan.fixed.find(setting.name);
    if (given == plan.fixed.end()) continue;
    plan.made_from["set_" + setting.name] = SettingText(setting, given->second);
  }
  plan.made_from["shots"] = std::to_string(plan.subset.shots);
  plan.made_from["subset_seed"] = std::to_string(config.subset_seed);
  plan.made_from["tuned_on"] = TunedOnName(plan.tuned_on);
  if (info.trains) plan.made_from["seed"] = std::to_string(config.seed);
  InheritMaking(plan.inputs.files.front().made_from, plan.made_from);
  return plan;
}

// Keys class by class, in the order of the file within a class.
void LoadFitFeatures(FitPlan& plan) {
  CacheModel& model = plan.inputs.cache_model;
  std::vector<bool> used(model.key_labels.size(), false);
  for (const auto& rows : plan.subset.rows_by_class) {
    for (const std::int64_t row : rows) used[static_cast<std::size_t>(row)] = true;
  }
  LoadKeys(*plan.cache_file, used, {0, model.classes}, plan.held_out, model, plan.tune);
  LoadQueryFeatures(plan);
}

FewShot ProblemOf(const FitPlan& plan) {
  const CacheModel& model = plan.inputs.cache_model;
  FewShot problem;
  const auto rows = [&](const std::vector<float>& values) {
    return at::from_blob(const_cast<float*>(values.data()),
                         {static_cast<std::int64_t>(values.size()) / model.width, model.width},
                         at::kFloat);
  };
  problem.text = rows(model.text);
  problem.keys = rows(model.keys);
  problem.start.push_back(0);
  for (std::size_t c = 0; c < plan.subset.rows_by_class.size(); ++c) {
    const auto count = plan.subset.rows_by_class[c].size();
    problem.labels.insert(problem.labels.end(), count, static_cast<std::int32_t>(c));
    problem.start.push_back(problem.start.back() + static_cast<std::int64_t>(count));
  }
  problem.logit_scale = model.logit_scale;
  problem.text_norm = plan.inputs.text_norm;
  return problem;
}

ClassifierData DataOf(const FitPlan& plan, const Fitted& fitted) {
  ClassifierData data;
  const MethodInfo info = plan.method->Info();
  data.method = info.name;
  data.width = plan.inputs.cache_model.width;
  data.classes = plan.inputs.classes;
  fitted.classifier->Put(data);
  for (const Setting& setting : info.settings) {
    data.settings[setting.name] = SettingText(setting, fitted.settings.at(setting.name));
  }
  data.tuned = fitted.tuned;
  data.notes = fitted.notes;
  const bool chosen =
      plan.tuned_on != TunedOn::kNone && (!fitted.tuned.empty() || info.selects_epoch);
  data.tuned_on = chosen ? plan.tuned_on : TunedOn::kNone;
  data.select_samples = chosen ? plan.tuning().count() : 0;
  data.history = fitted.history;
  data.selected_epoch = fitted.selected_epoch;
  data.made_from = plan.made_from;
  return data;
}

// SHA-256 of the keys' pictures, class by class, where the cache has them.
std::vector<std::string> PicturesOf(const FitConfig& config, const FitPlan& plan) {
  std::vector<std::int64_t> all;
  for (std::vector<std::int64_t> rows : plan.subset.rows_by_class) {
    std::sort(rows.begin(), rows.end());
    all.insert(all.end(), rows.begin(), rows.end());
  }
  return PictureHashes(config.cache, all);
}

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

Provenance FitProvenance(const FitConfig& config) {
  FitPlan plan = MakeFitPlan(config);
  plan.made_from["device_kind"] = "cpu";
  return plan.made_from;
}

FitResult RunFit(const FitConfig& config, const Compute& wanted, Comm& comm) {
  // The methods' blocks are the host's, also where there is a GPU.
  Compute compute = wanted;
  compute.device = "cpu";
  EnterStage("fit: plan");
  FitPlan plan;
  Agree(comm, [&] { plan = MakeFitPlan(config); });
  plan.made_from["device_kind"] = "cpu";
  EnterStage("fit: output");
  const StageOutput output =
      OpenOutput(comm, config.out, kClassifierFormat, plan.made_from, config.if_present);
  FitResult result;
  result.reused_output = output.up_to_date;
  if (!output.up_to_date) {
    EnterStage("fit: load");
    Agree(comm, [&] { LoadFitFeatures(plan); });
    const auto began = std::chrono::steady_clock::now();
    StateStore store(config.out, plan.made_from,
                     {config.resume, config.if_present == IfPresent::kRecompute,
                      config.if_present == IfPresent::kReplaceIfOther, config.save_every},
                     comm);
    const FewShot problem = ProblemOf(plan);
    LogInfo("fit: {}, {} keys of {} classes, {} shots, subset seed {}", config.method,
            problem.count(), problem.classes(), plan.subset.shots, config.subset_seed);
    FitJob job{compute, comm, static_cast<std::uint64_t>(config.seed)};
    if (plan.tuned_on != TunedOn::kNone) job.tune = &plan.tuning();
    job.tune_name = TunedOnName(plan.tuned_on);
    job.store = &store;
    EnterStage("fit: compute");
    const Fitted fitted = FitMethod(*plan.method, problem, plan.fixed, job);
    result.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    result.steps = static_cast<std::int64_t>(fitted.step_seconds.size());
    result.median_step_seconds = Median(fitted.step_seconds);
    EnterStage("fit: write");
    Agree(comm, [&] {
      if (!comm.is_root()) return;
      ClassifierData data = DataOf(plan, fitted);
      data.image_sha256 = PicturesOf(config, plan);
      WriteClassifierFile(config.out, data);
      store.Remove();
    });
  }
  EnterStage("fit: measure");
  std::unique_ptr<Classifier> classifier;
  Agree(comm, [&] {
    result.classifier = ReadClassifierFile(config.out);
    classifier = MakeClassifier(config.out, result.classifier);
    if (plan.test_file && output.up_to_date) LoadFeatures(*plan.test_file, plan.test);
  });
  if (plan.test_file) {
    const FitJob job{compute, comm, 0};
    result.test = CountRight(*classifier, plan.test, job);
    result.test_samples = plan.test.count();
  }
  for (const auto& rows : plan.subset.rows_by_class) {
    result.keys += static_cast<std::int64_t>(rows.size());
  }
  result.shots = plan.subset.shots;
  result.peak_memory = PeakMemory();
  result.oddities = plan.inputs.oddities;
  return result;
}

}  // namespace clipsweep
