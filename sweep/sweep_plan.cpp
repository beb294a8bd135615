#include "sweep/sweep_plan.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>

#include "common/compute/random.h"
#include "common/data/subsets.h"
#include "common/disk/atomic_file.h"
#include "common/disk/sha256.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "sweep/adapter_inputs.h"
#include "sweep/load_keys.h"
#include "sweep/math/key_columns.h"
#include "sweep/math/official_grids.h"
#include "sweep/subset_file.h"

namespace clipsweep {
namespace {

constexpr double kMostCounts = 5e7;  // 800 MB of top-1 and top-5

std::int64_t Most(const ClassRows& rows_by_class) {
  std::size_t most = 0;
  for (const auto& rows : rows_by_class) most = std::max(most, rows.size());
  return static_cast<std::int64_t>(most);
}

QuerySources QueriesOf(const SweepConfig& config) {
  if (config.tune.kind == TunedOn::kNone) {
    throw UsageError(
        "--tune-on: give a feature file of validation images, or 'split' to hold out some of the "
        "cache; 'test' reproduces published practice and is labelled so");
  }
  const std::int64_t shots =
      config.shots.empty() ? 0 : *std::max_element(config.shots.begin(), config.shots.end());
  return {config.features, config.tune, config.split_seed, shots, config.allowed};
}

void ReadSubsets(const SweepConfig& config, SweepPlan& plan) {
  if (config.subset_files.empty()) {
    plan.seeds = config.seeds;
    plan.most_keys = Most(plan.inputs.rows_by_class);
    for (const std::int64_t seed : plan.seeds) {
      plan.orders.push_back(
          ShuffleRows(plan.inputs.rows_by_class, static_cast<std::uint64_t>(seed)));
    }
    plan.made_from["seeds"] = fmt::format("{}", fmt::join(config.seeds, ","));
    return;
  }
  if (plan.tuned_on == TunedOn::kSplit) {
    throw UsageError(
        "--subset-file: names the keys itself; tune on a feature file, not on 'split'");
  }
  plan.whole_is_shared = false;
  std::string hashes;
  for (const auto& file : config.subset_files) {
    plan.seeds.push_back(static_cast<std::int64_t>(plan.seeds.size()));
    plan.orders.push_back(
        ReadSubsetFile(file, {plan.inputs.classes, plan.inputs.paths,
                              plan.inputs.cache_model.key_labels, plan.inputs.cache_name}));
    plan.most_keys = std::max(plan.most_keys, Most(plan.orders.back()));
    Sha256 hash;
    hash.Update(ReadFile(file));
    hashes += (hashes.empty() ? "" : ",") + hash.Hex();
  }
  plan.made_from["subset_files_sha256"] = hashes;
}

void CheckShotsAndSize(const SweepConfig& config, SweepPlan& plan) {
  plan.shots = config.shots.empty() ? std::vector<std::int64_t>{plan.most_keys} : config.shots;
  for (const std::int64_t shots : plan.shots) {
    if (shots > plan.most_keys) {
      throw InputError(
          fmt::format("--shots: {} asked but the largest class of {} has {} keys{}", shots,
                      config.cache.string(), plan.most_keys,
                      plan.tuned_on == TunedOn::kSplit ? " beside those held out" : ""));
    }
  }
  plan.made_from["shots"] = fmt::format("{}", fmt::join(plan.shots, ","));
  const double counts =
      static_cast<double>(plan.shots.size()) * static_cast<double>(plan.seeds.size()) *
      static_cast<double>(plan.alpha.count) * static_cast<double>(plan.beta.count);
  if (counts > kMostCounts) {
    throw InputError(fmt::format(
        "--alpha, --beta: {} x {} points for {} shot counts and {} subsets are {:.3g} counts, more "
        "than {:.3g}; take larger steps",
        plan.alpha.count, plan.beta.count, plan.shots.size(), plan.seeds.size(), counts,
        kMostCounts));
  }
}

TaskPlan PlanTasks(const SweepPlan& plan) {
  TaskPlan out;
  std::vector<std::int64_t> nested, shared;
  for (const std::int64_t shots : plan.shots) {
    (plan.SameForAllSeeds(shots) ? shared : nested).push_back(shots);
  }
  std::sort(nested.begin(), nested.end());
  for (std::size_t r = 0; r < plan.seeds.size() && !nested.empty(); ++r) {
    for (std::size_t i = 0; i < nested.size(); ++i) {
      out.place[{nested[i], r}] = {out.tasks.size(), i};
    }
    out.tasks.push_back({plan.orders[r], nested, plan.alpha, plan.beta, /*exact_alpha=*/true});
  }
  if (!shared.empty()) {
    for (std::size_t r = 0; r < plan.seeds.size(); ++r) {
      out.place[{shared[0], r}] = {out.tasks.size(), 0};
    }
    out.tasks.push_back({plan.inputs.rows_by_class, shared, plan.alpha, plan.beta, true});
  }
  return out;
}

// Trained keys: one subset, which is all of them.
void PlanWithAdapter(const SweepConfig& config, SweepPlan& plan) {
  if (!config.shots.empty() || !config.subset_files.empty() ||
      config.tune.kind == TunedOn::kSplit) {
    throw UsageError(
        "--adapter: its keys are given and were trained on the cache; leave out --shots, "
        "--subset-seeds and --subset-file, and tune on a feature file or test");
  }
  AdapterInputs adapter = LoadAdapterInputs(config.adapter, config.text, config.allowed);
  plan.inputs = std::move(adapter.inputs);
  plan.zero_shot_text = std::move(adapter.zero_shot_text);
  ReadQueries(QueriesOf(config), plan);
  plan.keys_saw_test = adapter.tuned_on == TunedOn::kTest ||
                       adapter.chosen_on.contains(plan.made_from["features_sha256"]);
  plan.seeds = {adapter.subset_seed};
  plan.most_keys = MostKeys(plan.inputs);
  plan.orders = {plan.inputs.rows_by_class};
  CheckShotsAndSize(config, plan);
  constexpr double kMostKernel = 1e30;
  if (plan.inputs.cache_model.MostKernel(plan.beta) > kMostKernel) {
    throw InputError(fmt::format(
        "--beta: up to {} with keys as long as {:.3g} gives sums beyond float32; take a lower end",
        plan.beta.At(plan.beta.count - 1), plan.inputs.cache_model.longest_key));
  }
  plan.tasks = PlanTasks(plan);
}

}  // namespace

SweepGrid ReadGrid(const SweepSettings& settings) {
  const bool official = settings.grid == "official";
  if (!settings.grid.empty() && !official) {
    throw UsageError(fmt::format("--grid: '{}' is not 'official'; give that, or --alpha and --beta",
                                 Printable(settings.grid)));
  }
  const bool axes = !settings.alpha.empty() || !settings.beta.empty();
  if (official) {
    if (axes) throw UsageError("--grid official: sets the grid; leave --alpha and --beta out");
    if (settings.dataset.empty())
      throw UsageError("--grid official: name the data set with --dataset");
    const OfficialGrid grid = FindOfficialGrid(settings.dataset);
    const std::string text = "official " + settings.dataset;
    return {grid.alpha, grid.beta, text, text};
  }
  if (!settings.dataset.empty()) throw UsageError("--dataset: goes with --grid official");
  for (const auto& [text, option] :
       {std::pair(settings.alpha, "--alpha"), {settings.beta, "--beta"}}) {
    if (text.empty()) {
      throw UsageError(fmt::format(
          "{}: missing; write lo:hi:step, as in 0.5:2.5:0.02, or --grid official", option));
    }
  }
  return {ParseAxis(settings.alpha, "--alpha"), ParseAxis(settings.beta, "--beta"), settings.alpha,
          settings.beta};
}

SweepPlan MakeSweepPlan(const SweepConfig& config) {
  SweepPlan plan;
  const SweepGrid grid = ReadGrid(config);
  plan.alpha = grid.alpha;
  plan.beta = grid.beta;
  plan.made_from["alpha"] = grid.alpha_text;
  plan.made_from["beta"] = grid.beta_text;
  plan.made_from["engine"] = kEngine;
  if (config.cache.empty() == config.adapter.empty()) {
    throw UsageError("--cache, --adapter: give one of them");
  }
  if (!config.adapter.empty()) {
    PlanWithAdapter(config, plan);
    return plan;
  }
  plan.cache_file.emplace(config.cache);
  plan.inputs = LoadInputs(config.text, plan.cache_file->about(), "cache", config.allowed);
  ReadQueries(QueriesOf(config), plan);
  ReadSubsets(config, plan);
  CheckShotsAndSize(config, plan);
  plan.tasks = PlanTasks(plan);
  return plan;
}

void LoadSweepFeatures(SweepPlan& plan, Partition partition, int rank, int size) {
  if (plan.cache_file) {
    CacheModel& cache_model = plan.inputs.cache_model;
    const std::vector<bool> used = UsedRows(cache_model, plan.tasks.tasks);
    const ClassRange held = partition == Partition::kClasses
                                ? ShareOfClasses(cache_model, used, rank, size)
                                : ClassRange{0, cache_model.classes};
    LoadKeys(*plan.cache_file, used, held, plan.held_out, cache_model, plan.tune);
  }
  LoadQueryFeatures(plan);
}

}  // namespace clipsweep
