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
#include "sweep/math/affinity.h"
#include "sweep/math/official_grids.h"
#include "sweep/subset_file.h"

namespace clipsweep {
namespace {

constexpr double kMostCounts = 5e7;  // 800 MB of top-1 and top-5
constexpr std::int64_t kMostHeldOut = 4;
constexpr std::uint64_t kSplitStream = 0x73706c69;

void ReadGrid(const SweepConfig& config, SweepPlan& plan) {
  const bool official = config.grid == "official";
  if (!config.grid.empty() && !official) {
    throw UsageError(fmt::format("--grid: '{}' is none; use official, or --alpha and --beta",
                                 Printable(config.grid)));
  }
  const bool axes = !config.alpha.empty() || !config.beta.empty();
  if (official) {
    if (axes) throw UsageError("--grid official: sets the grid; leave --alpha and --beta out");
    if (config.dataset.empty())
      throw UsageError("--grid official: name the data set with --dataset");
    const OfficialGrid grid = FindOfficialGrid(config.dataset);
    plan.alpha = grid.alpha;
    plan.beta = grid.beta;
    plan.made_from["alpha"] = plan.made_from["beta"] = "official " + config.dataset;
    return;
  }
  if (!config.dataset.empty()) throw UsageError("--dataset: goes with --grid official");
  for (const auto& [text, option] : {std::pair(config.alpha, "--alpha"), {config.beta, "--beta"}}) {
    if (text.empty()) {
      throw UsageError(fmt::format(
          "{}: missing; write lo:hi:step, as in 0.5:2.5:0.02, or --grid official", option));
    }
  }
  plan.alpha = ParseAxis(config.alpha, "--alpha");
  plan.beta = ParseAxis(config.beta, "--beta");
  plan.made_from["alpha"] = config.alpha;
  plan.made_from["beta"] = config.beta;
}

// Takes images out of the cache's classes to tune on; they are keys of no subset. Returns their
// rows and fills tune.labels.
std::vector<std::int64_t> HoldOut(const SweepConfig& config, Inputs& inputs, Queries& tune) {
  const std::int64_t shots = config.shots.empty()
                                 ? kMostHeldOut
                                 : *std::max_element(config.shots.begin(), config.shots.end());
  std::vector<std::int64_t> held_out;
  for (std::size_t c = 0; c < inputs.rows_by_class.size(); ++c) {
    std::vector<std::int64_t>& rows = inputs.rows_by_class[c];
    const auto held =
        static_cast<std::size_t>(HeldOut(static_cast<std::int64_t>(rows.size()), shots));
    if (held == 0) {
      throw InputError(fmt::format(
          "{}: class '{}' has one image, too few for --tune-on split; give a feature file",
          inputs.cache_name, Printable(inputs.classes[c])));
    }
    std::vector<std::int64_t> order = rows;
    Random(config.split_seed, kSplitStream, c).Shuffle(order);
    order.resize(held);
    std::erase_if(rows, [&](std::int64_t row) {
      return std::find(order.begin(), order.end(), row) != order.end();
    });
    held_out.insert(held_out.end(), order.begin(), order.end());
  }
  std::sort(held_out.begin(), held_out.end());
  for (const std::int64_t row : held_out) {
    tune.labels.push_back(inputs.problem.key_labels[static_cast<std::size_t>(row)]);
  }
  return held_out;
}

// Returns the rows of the cache held out for tuning.
std::vector<std::int64_t> ReadTuning(const SweepConfig& config, SweepPlan& plan) {
  if (config.tune_on.empty()) {
    throw UsageError(
        "--tune-on: give a feature file of validation images, or 'split' to hold out some of the "
        "cache; 'test' reproduces published practice and is labelled so");
  }
  if (config.tune_on == "test" || config.tune_on == "split") {
    plan.tuned_on = config.tune_on;
    plan.made_from["tune_sha256"] =
        plan.made_from[config.tune_on == "test" ? "features_sha256" : "cache_sha256"];
    if (config.tune_on == "test") return {};
    plan.made_from["split_seed"] = std::to_string(config.split_seed);
    return HoldOut(config, plan.inputs, plan.tune);
  }
  plan.tuned_on = "val";
  FeatureSet tune = ReadFeatureFile(config.tune_on);
  plan.made_from["tune_sha256"] = tune.content_sha256;
  const bool may_overlap = config.allowed.overlap;
  if (tune.content_sha256 == plan.made_from["cache_sha256"] && !may_overlap) {
    throw InputError(
        fmt::format("{}: --tune-on holds the cache's own images, which are their own nearest "
                    "keys; give others, or --tune-on split",
                    config.tune_on));
  }
  if (tune.content_sha256 == plan.made_from["features_sha256"]) {
    if (may_overlap) {
      plan.tuned_on = "test";  // whatever it was given as
      return {};
    }
    throw InputError(fmt::format(
        "{}: --tune-on holds the same images as --features; give other images, or --tune-on test",
        config.tune_on));
  }
  NoteClasses(plan.inputs, tune, "tune_classes_sha256", plan.made_from);
  plan.tune = LoadQueries(plan.inputs, std::move(tune), "val");
  return {};
}

std::int64_t Most(const ClassRows& rows_by_class) {
  std::size_t most = 0;
  for (const auto& rows : rows_by_class) most = std::max(most, rows.size());
  return static_cast<std::int64_t>(most);
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
  if (plan.tuned_on == "split") {
    throw UsageError(
        "--subset-file: names the keys itself; tune on a feature file, not on 'split'");
  }
  plan.whole_is_shared = false;
  std::string hashes;
  for (const auto& file : config.subset_files) {
    plan.seeds.push_back(static_cast<std::int64_t>(plan.seeds.size()));
    plan.orders.push_back(
        ReadSubsetFile(file, {plan.inputs.classes, plan.inputs.paths,
                              plan.inputs.problem.key_labels, plan.inputs.cache_name}));
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
      throw InputError(fmt::format("--shots: {} asked but the largest class of {} has {} keys{}",
                                   shots, config.cache.string(), plan.most_keys,
                                   plan.tuned_on == "split" ? " beside those held out" : ""));
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

// Test and tuning images; returns the rows of the cache held out for tuning.
std::vector<std::int64_t> ReadQueries(const SweepConfig& config, SweepPlan& plan) {
  FeatureSet test = ReadFeatureFile(config.features);
  plan.made_from.insert(plan.inputs.made_from.begin(), plan.inputs.made_from.end());
  plan.made_from["features_sha256"] = test.content_sha256;
  NoteClasses(plan.inputs, test, "features_classes_sha256", plan.made_from);
  plan.test = LoadQueries(plan.inputs, std::move(test), "features");
  std::vector<std::int64_t> held_out = ReadTuning(config, plan);
  RequireTogether(plan.inputs, config.allowed, plan.made_from);
  return held_out;
}

// Trained keys: one subset, which is all of them.
void PlanWithAdapter(const SweepConfig& config, SweepPlan& plan) {
  if (!config.shots.empty() || !config.subset_files.empty() || config.tune_on == "split") {
    throw UsageError(
        "--adapter: its keys are given and were trained on the cache; leave out --shots, "
        "--subset-seeds and --subset-file, and tune on a feature file or test");
  }
  AdapterInputs adapter = LoadAdapterInputs(config.adapter, config.text, config.allowed);
  plan.inputs = std::move(adapter.inputs);
  plan.zero_shot_text = std::move(adapter.zero_shot_text);
  ReadQueries(config, plan);
  plan.keys_saw_test =
      adapter.tuned_on == "test" || adapter.chosen_on.contains(plan.made_from["features_sha256"]);
  plan.seeds = {adapter.subset_seed};
  plan.most_keys = MostKeys(plan.inputs);
  plan.orders = {plan.inputs.rows_by_class};
  CheckShotsAndSize(config, plan);
  constexpr double kMostKernel = 1e30;
  if (plan.inputs.problem.MostKernel(plan.beta) > kMostKernel) {
    throw InputError(fmt::format(
        "--beta: up to {} with keys as long as {:.3g} gives sums beyond float32; take a lower end",
        plan.beta.At(plan.beta.count - 1), plan.inputs.problem.longest_key));
  }
  plan.tasks = PlanTasks(plan);
}

}  // namespace

std::int64_t HeldOut(std::int64_t images, std::int64_t shots) {
  return std::min({shots, kMostHeldOut, images / 2});
}

SweepPlan MakeSweepPlan(const SweepConfig& config, int rank, int size) {
  SweepPlan plan;
  ReadGrid(config, plan);
  plan.made_from["engine"] = kEngine;
  if (config.cache.empty() == config.adapter.empty()) {
    throw UsageError("--cache, --adapter: give one of them");
  }
  if (!config.adapter.empty()) {
    PlanWithAdapter(config, plan);
    return plan;
  }
  const FeatureReader cache(config.cache);
  plan.inputs = LoadInputs(config.text, cache.about(), "cache", config.allowed);
  const std::vector<std::int64_t> held_out = ReadQueries(config, plan);
  ReadSubsets(config, plan);
  CheckShotsAndSize(config, plan);
  plan.tasks = PlanTasks(plan);
  Problem& problem = plan.inputs.problem;
  const std::vector<bool> used = UsedRows(problem, plan.tasks.tasks);
  const ClassRange held = config.partition == Partition::kClasses
                              ? ShareOfClasses(problem, used, rank, size)
                              : ClassRange{0, problem.classes};
  LoadKeys(cache, used, held, held_out, problem, plan.tune);
  return plan;
}

}  // namespace clipsweep
