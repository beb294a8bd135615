#include "sweep/sweep_job.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "common/error.h"
#include "common/log.h"
#include "common/stage_output.h"
#include "common/subsets.h"
#include "sweep/inputs.h"
#include "sweep/sweep_file.h"

namespace clipsweep {
namespace {

constexpr double kMostCounts = 5e7;  // 800 MB of top-1 and top-5

struct Plan {
  Inputs inputs;
  Queries tune, test;
  bool tuned_on_test = false;
  Axis alpha, beta;
  std::vector<std::int64_t> shots;  // as asked; 0 has become the number of keys
  Provenance made_from;
};

Plan MakePlan(const SweepConfig& config) {
  Plan plan;
  plan.alpha = ParseAxis(config.alpha, "--alpha");
  plan.beta = ParseAxis(config.beta, "--beta");
  if (config.tune_on.empty()) {
    throw UsageError(
        "--tune-on: give a feature file of validation images; 'test' reproduces published practice "
        "and is "
        "labelled so");
  }
  plan.inputs = LoadInputs(config.text, ReadFeatureFile(config.cache), /*is_cache=*/true);
  FeatureSet test = ReadFeatureFile(config.features);
  plan.made_from = plan.inputs.made_from;
  plan.made_from["features_sha256"] = test.content_sha256;
  plan.test = LoadQueries(plan.inputs, std::move(test));
  plan.tuned_on_test = config.tune_on == "test";
  if (plan.tuned_on_test) {
    plan.made_from["tune_sha256"] = plan.made_from["features_sha256"];
  } else {
    FeatureSet tune = ReadFeatureFile(config.tune_on);
    plan.made_from["tune_sha256"] = tune.content_sha256;
    if (tune.content_sha256 == plan.made_from["cache_sha256"]) {
      throw InputError(
          fmt::format("{}: --tune-on holds the cache's own images, which are their own nearest "
                      "keys; give others",
                      config.tune_on));
    }
    if (tune.content_sha256 == plan.made_from["features_sha256"]) {
      throw InputError(fmt::format(
          "{}: --tune-on holds the same images as --features; give other images, or --tune-on test",
          config.tune_on));
    }
    plan.tune = LoadQueries(plan.inputs, std::move(tune));
  }
  const std::int64_t most = MostKeys(plan.inputs);
  plan.shots = config.shots.empty() ? std::vector<std::int64_t>{most} : config.shots;
  for (const std::int64_t shots : plan.shots) {
    if (shots > most) {
      throw InputError(fmt::format("--shots: {} asked but the largest class of {} has {} keys",
                                   shots, config.cache.string(), most));
    }
  }
  const double counts =
      static_cast<double>(plan.shots.size()) * static_cast<double>(config.seeds.size()) *
      static_cast<double>(plan.alpha.count) * static_cast<double>(plan.beta.count);
  if (counts > kMostCounts) {
    throw InputError(
        fmt::format("--alpha, --beta: {} x {} points for {} shot counts and {} seeds are {:.3g} "
                    "counts, more than {:.3g}; "
                    "take larger steps",
                    plan.alpha.count, plan.beta.count, plan.shots.size(), config.seeds.size(),
                    counts, kMostCounts));
  }
  plan.made_from["alpha"] = config.alpha;
  plan.made_from["beta"] = config.beta;
  plan.made_from["shots"] = fmt::format("{}", fmt::join(plan.shots, ","));
  plan.made_from["seeds"] = fmt::format("{}", fmt::join(config.seeds, ","));
  plan.made_from["engine"] = kEngine;
  return plan;
}

// One task a seed, its subsets nested; subsets that are the whole cache share one task of their
// own.
struct TaskPlan {
  std::vector<GridTask> tasks;
  std::map<std::pair<std::int64_t, std::int64_t>, std::pair<std::size_t, std::size_t>> place;
  // (shots, seed) -> (task, index within its shots)
};

TaskPlan PlanTasks(const Plan& plan, const std::vector<std::int64_t>& seeds) {
  TaskPlan out;
  const std::int64_t most = MostKeys(plan.inputs);
  std::vector<std::int64_t> nested;
  for (const std::int64_t shots : plan.shots) {
    if (shots < most) nested.push_back(shots);
  }
  std::sort(nested.begin(), nested.end());
  for (const std::int64_t seed : seeds) {
    if (nested.empty()) break;
    for (std::size_t i = 0; i < nested.size(); ++i)
      out.place[{nested[i], seed}] = {out.tasks.size(), i};
    out.tasks.push_back({ShuffleRows(plan.inputs.rows_by_class, static_cast<std::uint64_t>(seed)),
                         nested, plan.alpha, plan.beta, /*exact_alpha=*/true});
  }
  if (nested.size() < plan.shots.size()) {
    for (const std::int64_t seed : seeds) out.place[{most, seed}] = {out.tasks.size(), 0};
    out.tasks.push_back(
        {plan.inputs.rows_by_class, {most}, plan.alpha, plan.beta, /*exact_alpha=*/true});
  }
  return out;
}

// Measures each chosen cell on test, in one pass over the keys.
void MeasureCells(const Plan& plan, std::vector<SweepCell>& cells, const Compute& compute,
                  Comm& comm) {
  std::vector<GridTask> tasks;
  for (const SweepCell& cell : cells) {
    Subset subset = MakeSubset(plan.inputs, cell.shots, static_cast<std::uint64_t>(cell.seed));
    tasks.push_back({std::move(subset.rows_by_class),
                     {subset.shots},
                     Axis::Point(cell.alpha),
                     Axis::Point(cell.beta)});
  }
  const auto counts =
      CountGrid(plan.inputs.problem, plan.test, tasks, Partition::kSamples, compute, comm, "test");
  for (std::size_t i = 0; i < cells.size(); ++i)
    cells[i].test = {counts[i].top1[0], counts[i].top5[0]};
}

}  // namespace

SweepResult RunSweep(const SweepConfig& config, const Compute& compute, Comm& comm) {
  Plan plan;
  Agree(comm, [&] { plan = MakePlan(config); });
  const StageOutput output =
      OpenOutput(comm, config.out, kSweepFormat, plan.made_from, config.if_present);
  SweepResult result;
  if (output.up_to_date) {
    Agree(comm, [&] { result = ReadSweepFile(config.out); });
    result.reused_output = true;
    return result;
  }

  const Queries& tune = plan.tuned_on_test ? plan.test : plan.tune;
  const TaskPlan tasks = PlanTasks(plan, config.seeds);
  LogInfo("sweep: {} samples x {} keys, {} x {} grid points, {} shot counts x {} seeds",
          tune.count(), plan.inputs.problem.key_labels.size(), plan.alpha.count, plan.beta.count,
          plan.shots.size(), config.seeds.size());
  const auto counts =
      CountGrid(plan.inputs.problem, tune, tasks.tasks, config.partition, compute, comm, "sweep");
  const std::int64_t points = plan.alpha.count * plan.beta.count;
  SweepData data{plan.alpha.Values(), plan.beta.Values(), plan.shots, config.seeds, {}, {}, {}, {}};
  for (const std::int64_t shots : plan.shots) {
    for (const std::int64_t seed : config.seeds) {
      const auto [task, index] = tasks.place.at({shots, seed});
      const auto start = static_cast<std::ptrdiff_t>(static_cast<std::int64_t>(index) * points);
      const auto top1 = counts[task].top1.begin() + start, top5 = counts[task].top5.begin() + start;
      const std::int64_t best = std::max_element(top1, top1 + points) - top1;
      data.top1.insert(data.top1.end(), top1, top1 + points);
      data.top5.insert(data.top5.end(), top5, top5 + points);
      const auto exact =
          counts[task].exact.begin() + static_cast<std::ptrdiff_t>(index) * plan.beta.count;
      if (!counts[task].exact.empty()) {
        data.exact.insert(data.exact.end(), exact, exact + plan.beta.count);
      }
      SweepCell& cell = result.cells.emplace_back();
      cell.shots = shots;
      cell.seed = seed;
      cell.alpha = plan.alpha.At(best % plan.alpha.count);
      cell.beta = plan.beta.At(best / plan.alpha.count);
      cell.tuned = cell.test = {top1[best], top5[best]};
    }
  }
  for (std::size_t i = 0; i < result.cells.size(); ++i) {
    TakeExact(data, i / config.seeds.size(), i % config.seeds.size(), result.cells[i]);
  }
  if (comm.is_root() && data.exact.empty()) {
    LogWarning(
        "the best alpha over the reals is left out: more than {} crossings; sweep fewer shot "
        "counts and seeds at once to get it",
        kMostEdges);
  }
  if (!plan.tuned_on_test) MeasureCells(plan, result.cells, compute, comm);
  result.zero_shot = CountZeroShot(plan.inputs.problem, plan.test, compute, comm);
  result.most_keys = MostKeys(plan.inputs);
  result.made_from = plan.made_from;
  result.points = points;
  result.tuned_on = plan.tuned_on_test ? "test" : "val";
  result.tune_samples = tune.count();
  result.test_samples = plan.test.count();
  data.result = result;
  Agree(comm, [&] {
    if (comm.is_root()) WriteSweepFile(config.out, data);
  });
  Agree(comm, [&] { result.sha256 = CheckSeal(config.out); });
  return result;
}

PointResult RunPoint(const PointConfig& config, const Compute& compute, Comm& comm) {
  Inputs inputs;
  Queries test;
  const bool has_cache = !config.cache.empty();
  Agree(comm, [&] {
    CheckPoint(config.alpha, "--alpha");
    CheckPoint(config.beta, "--beta");
    CheckShots(config.shots);
    FeatureSet features = ReadFeatureFile(config.features);
    inputs =
        LoadInputs(config.text, has_cache ? ReadFeatureFile(config.cache) : features, has_cache);
    test = LoadQueries(inputs, std::move(features));
    if (has_cache && config.shots > MostKeys(inputs)) {
      throw InputError(fmt::format("--shots: {} asked but the largest class of {} has {} keys",
                                   config.shots, config.cache.string(), MostKeys(inputs)));
    }
  });
  PointResult result;
  result.samples = test.count();
  result.zero_shot = CountZeroShot(inputs.problem, test, compute, comm);
  result.test = result.zero_shot;
  if (has_cache) {
    Subset subset = MakeSubset(inputs, config.shots, static_cast<std::uint64_t>(config.seed));
    const std::vector<GridTask> tasks{{std::move(subset.rows_by_class),
                                       {subset.shots},
                                       Axis::Point(config.alpha),
                                       Axis::Point(config.beta)}};
    const auto counts =
        CountGrid(inputs.problem, test, tasks, Partition::kSamples, compute, comm, "tip");
    result.test = {counts[0].top1[0], counts[0].top5[0]};
  }
  return result;
}

}  // namespace clipsweep
