#include "finetune/finetune_job.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "common/error.h"
#include "common/log.h"
#include "common/progress.h"
#include "common/random.h"
#include "common/stage_output.h"
#include "finetune/trainer.h"
#include "sweep/inputs.h"
#include "sweep/sweep_job.h"
#include "sweep/zero_shot.h"

namespace clipsweep {
namespace {

constexpr std::int64_t kMostBatch = 1 << 20;
constexpr std::uint64_t kOrderStream =
    0x6f72646572;  // tells these draws from those of other stages

struct Plan {
  Inputs inputs;
  Queries test, val;
  Subset subset;
  double alpha = 0, beta = 0;
  std::string tuned_on;
  Provenance made_from;
};

void CheckNumbers(const FinetuneConfig& config) {
  const auto positive = [](std::int64_t value, const char* option) {
    if (value < 1) throw UsageError(fmt::format("{}: {} is not 1 or more", option, value));
  };
  positive(config.epochs, "--epochs");
  positive(config.batch, "--batch");
  if (config.batch > kMostBatch) {
    throw UsageError(fmt::format("--batch: {} is more than {}", config.batch, kMostBatch));
  }
  CheckShots(config.shots);
  const auto rate = [](double value, const char* option, bool zero_allowed) {
    if (!std::isfinite(value) || value < 0 || (value == 0 && !zero_allowed)) {
      throw InputError(fmt::format("{}: {} is not a finite number {} 0", option, value,
                                   zero_allowed ? "of at least" : "above"));
    }
  };
  rate(config.lr, "--lr", false);
  rate(config.eps, "--eps", false);
  rate(config.weight_decay, "--weight-decay", true);
}

// Alpha and beta, and what they were tuned on.
void TakePoint(const FinetuneConfig& config, Plan& plan) {
  if (config.sweep.empty()) {
    plan.alpha = config.alpha;
    plan.beta = config.beta;
    CheckPoint(plan.alpha, "--alpha");
    CheckPoint(plan.beta, "--beta");
    plan.tuned_on = "none";
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
      plan.tuned_on = on_test ? "test" : sweep.tuned_on;
      return;
    }
  }
  throw InputError(fmt::format("{}: has no cell for {} shots and subset seed {}; sweep them first",
                               config.sweep.string(), plan.subset.shots, config.subset_seed));
}

Plan MakePlan(const FinetuneConfig& config) {
  CheckNumbers(config);
  Plan plan;
  plan.inputs = LoadInputs(config.text, ReadFeatureFile(config.cache), /*is_cache=*/true);
  if (config.shots > MostKeys(plan.inputs)) {
    throw InputError(fmt::format("--shots: {} asked but the largest class of {} has {} keys",
                                 config.shots, config.cache.string(), MostKeys(plan.inputs)));
  }
  plan.subset =
      MakeSubset(plan.inputs, config.shots, static_cast<std::uint64_t>(config.subset_seed));
  FeatureSet test = ReadFeatureFile(config.features);
  plan.made_from = plan.inputs.made_from;
  plan.made_from["features_sha256"] = test.content_sha256;
  if (config.select == Select::kVal) {
    if (config.val.empty())
      throw UsageError("--select val: give the validation features with --val");
    FeatureSet val = ReadFeatureFile(config.val);
    if (val.content_sha256 == test.content_sha256) {
      throw InputError(fmt::format(
          "{}: --val holds the same images as --features; give other images, or --select test",
          config.val.string()));
    }
    plan.made_from["select_sha256"] = val.content_sha256;
    plan.val = LoadQueries(plan.inputs, std::move(val));
  }
  plan.test = LoadQueries(plan.inputs, std::move(test));
  TakePoint(config, plan);
  if (config.select == Select::kVal && plan.tuned_on == "none") plan.tuned_on = "val";
  if (config.select == Select::kTest) plan.tuned_on = "test";
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
  plan.made_from["tuned_on"] = plan.tuned_on;
  return plan;
}

// One epoch; returns the mean loss.
double TrainEpoch(const FinetuneConfig& config, std::int64_t epoch, Trainer& trainer) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(trainer.samples()));
  std::iota(order.begin(), order.end(), 0);
  Random(static_cast<std::uint64_t>(config.seed), kOrderStream, static_cast<std::uint64_t>(epoch))
      .Shuffle(order);
  const std::int64_t steps = (trainer.samples() + config.batch - 1) / config.batch;
  const double total_steps = static_cast<double>(config.epochs * steps);
  AdamW adam;
  adam.eps = config.eps;
  adam.weight_decay = config.weight_decay;
  double loss = 0;
  for (std::int64_t step = 0; step < steps; ++step) {
    const auto first = order.begin() + step * config.batch;
    const auto last = order.begin() + std::min((step + 1) * config.batch, trainer.samples());
    const double done = static_cast<double>((epoch - 1) * steps + step);
    const double lr =
        config.lr * 0.5 * (1.0 + std::cos(std::numbers::pi * done / total_steps));  // cosine to 0
    const double step_loss = trainer.Step({first, last}, adam, lr);
    if (!std::isfinite(step_loss)) {  // the same on every rank
      throw AgreedError(
          ExitCode::kBadInput,

          fmt::format("finetune: the loss is not finite at epoch {} step {}; lower --lr or --beta",
                      epoch, step + 1));
    }
    loss += step_loss;
  }
  return loss / static_cast<double>(trainer.samples());
}

FinetuneResult FromFile(const AdapterData& data, const std::string& seal) {
  FinetuneResult result;
  result.samples = data.test_samples;
  result.test = {data.test_top1, data.test_top5};
  result.alpha = data.alpha;
  result.beta = data.beta;
  result.keys = static_cast<std::int64_t>(data.class_index.size());
  result.selected_epoch = data.selected_epoch;
  result.last_loss = data.history.empty() ? 0 : data.history.back().loss;
  result.tuned_on = data.tuned_on;
  result.sha256 = seal;
  return result;
}

// Trains, keeps the selected epoch's keys, measures them on test.
AdapterData Train(const FinetuneConfig& config, const Plan& plan, const Compute& compute,
                  Comm& comm, TopCounts& before) {
  Trainer trainer(plan.inputs.problem, plan.subset.rows_by_class, plan.alpha, plan.beta, compute,
                  comm);
  before = trainer.Evaluate(plan.test);
  const Queries* selection = config.select == Select::kVal    ? &plan.val
                             : config.select == Select::kTest ? &plan.test
                                                              : nullptr;
  AdapterData data;
  Progress progress("finetune", "epochs", config.epochs, comm.is_root());
  TopCounts best;
  for (std::int64_t epoch = 1; epoch <= config.epochs; ++epoch) {
    EpochRecord record;
    record.loss = TrainEpoch(config, epoch, trainer);
    bool keep = epoch == config.epochs;
    if (selection != nullptr) {
      const TopCounts counts = trainer.Evaluate(*selection);
      record.select_top1 = counts.top1;
      record.select_top5 = counts.top5;
      keep = epoch == 1 || counts.top1 > best.top1;  // the first strict maximum
      if (keep) best = counts;
    }
    if (keep) {
      data.keys = trainer.GatherKeys();
      data.selected_epoch = epoch;
      const TopCounts test = trainer.Evaluate(plan.test);
      data.test_top1 = test.top1;
      data.test_top5 = test.top5;
    }
    data.history.push_back(record);
    LogDebug("finetune: epoch {} loss {:.5f}", epoch, record.loss);
    progress.Update(epoch, fmt::format("loss {:.4f}", record.loss));
  }
  data.width = plan.inputs.problem.width;
  data.class_index = trainer.key_classes();
  data.cache_row = trainer.key_rows();
  data.classes = plan.inputs.classes;
  data.alpha = plan.alpha;
  data.beta = plan.beta;
  data.tuned_on = plan.tuned_on;
  data.test_samples = plan.test.count();
  data.select_samples = selection == nullptr ? 0 : selection->count();
  data.made_from = plan.made_from;
  return data;
}

}  // namespace

Select ParseSelect(const std::string& name) {
  for (const Select select : {Select::kLast, Select::kVal, Select::kTest}) {
    if (name == SelectName(select)) return select;
  }
  throw UsageError(fmt::format("--select: '{}' is none; use last, val or test", name));
}

const char* SelectName(Select select) {
  switch (select) {
    case Select::kLast: return "last";
    case Select::kVal: return "val";
    case Select::kTest: return "test";
  }
  return "";
}

FinetuneResult RunFinetune(const FinetuneConfig& config, const Compute& compute, Comm& comm) {
  Plan plan;
  Agree(comm, [&] { plan = MakePlan(config); });
  const StageOutput output =
      OpenOutput(comm, config.out, kAdapterFormat, plan.made_from, config.if_present);
  TopCounts before;
  if (!output.up_to_date) {
    LogInfo("finetune: {} shots, subset seed {}, alpha {:.6g} beta {:.6g}, {} epochs of batch {}",
            plan.subset.shots, config.subset_seed, plan.alpha, plan.beta, config.epochs,
            config.batch);
    const AdapterData data = Train(config, plan, compute, comm, before);
    Agree(comm, [&] {
      if (comm.is_root()) WriteAdapterFile(config.out, data);
    });
  } else {
    Trainer trainer(plan.inputs.problem, plan.subset.rows_by_class, plan.alpha, plan.beta, compute,
                    comm);
    before = trainer.Evaluate(plan.test);
  }
  FinetuneResult result;
  Agree(comm, [&] { result = FromFile(ReadAdapterFile(config.out), CheckSeal(config.out)); });
  result.reused_output = output.up_to_date;
  result.shots = plan.subset.shots;
  result.zero_shot = CountZeroShot(plan.inputs.problem, plan.test, compute, comm);
  result.before = before;
  return result;
}

}  // namespace clipsweep
