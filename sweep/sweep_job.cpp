#include "sweep/sweep_job.h"

#include <fmt/core.h>

#include <algorithm>

#include "common/files/stage_output.h"
#include "common/process/error.h"
#include "common/process/liveness.h"
#include "common/process/log.h"
#include "sweep/engine/grid_work.h"
#include "sweep/engine/zero_shot.h"
#include "sweep/inputs.h"
#include "sweep/sweep_file.h"
#include "sweep/sweep_plan.h"

namespace clipsweep {
namespace {

// Measures each chosen cell on test, in one pass over the keys; equal cells once.
void MeasureCells(const SweepPlan& plan, const PassOptions& options, Comm& comm,
                  std::vector<SweepCell>& cells) {
  std::vector<GridTask> tasks;
  std::vector<std::size_t> task_of_cell;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::size_t seed = i % plan.seeds.size();
    const bool shared = plan.SameForAllSeeds(cells[i].shots);
    if (shared && seed > 0) {
      task_of_cell.push_back(task_of_cell.back());
      continue;
    }
    task_of_cell.push_back(tasks.size());
    tasks.push_back({shared ? plan.inputs.rows_by_class : plan.orders[seed],
                     {cells[i].shots},
                     Axis::Point(cells[i].alpha),
                     Axis::Point(cells[i].beta)});
  }
  const auto counts = CountGrid(plan.inputs.cache_model, plan.test, tasks, options, comm);
  for (std::size_t i = 0; i < cells.size(); ++i) {
    cells[i].test = {counts[task_of_cell[i]].top1[0], counts[task_of_cell[i]].top5[0]};
  }
}

// The grid's counts on the tuning images, and from them each cell's best point. Collective.
SweepData CountOnTuning(const SweepConfig& config, const SweepPlan& plan, const Compute& compute,
                        BlockStore& store, Comm& comm) {
  EnterStage("sweep: count");
  const auto counts = CountGrid(plan.inputs.cache_model, plan.tuning(), plan.tasks.tasks,
                                {config.partition, compute, "sweep", &store}, comm);
  const std::int64_t points = plan.alpha.count * plan.beta.count;
  SweepData data{plan.alpha.Values(), plan.beta.Values(), plan.shots, plan.seeds, {}, {}, {}, {}};
  for (const std::int64_t shots : plan.shots) {
    for (std::size_t r = 0; r < plan.seeds.size(); ++r) {
      const auto [task, index] = plan.tasks.place.at({shots, r});
      const auto start = static_cast<std::ptrdiff_t>(static_cast<std::int64_t>(index) * points);
      const auto top1 = counts[task].top1.begin() + start, top5 = counts[task].top5.begin() + start;
      const std::int64_t best = std::max_element(top1, top1 + points) - top1;
      data.top1.insert(data.top1.end(), top1, top1 + points);
      data.top5.insert(data.top5.end(), top5, top5 + points);
      if (!counts[task].exact.empty()) {  // rank 0 alone has it
        const auto exact =
            counts[task].exact.begin() + static_cast<std::ptrdiff_t>(index) * plan.beta.count;
        data.exact.insert(data.exact.end(), exact, exact + plan.beta.count);
      }
      SweepCell& cell = data.result.cells.emplace_back();
      cell.shots = shots;
      cell.seed = plan.seeds[r];
      cell.alpha = plan.alpha.At(best % plan.alpha.count);
      cell.beta = plan.beta.At(best / plan.alpha.count);
      cell.tuned = cell.test = {top1[best], top5[best]};
    }
  }
  for (std::size_t i = 0; i < data.result.cells.size(); ++i) {
    TakeExact(data, i / plan.seeds.size(), i % plan.seeds.size(), data.result.cells[i]);
  }
  if (comm.is_root() && data.exact.empty()) {
    LogWarning(
        "the best alpha over the reals is left out: more than {} crossings; sweep fewer shot "
        "counts and seeds at once to get it",
        kMostEdges);
  }
  return data;
}

// The cells and the text alone on the test images. Collective.
void MeasureOnTest(const SweepConfig& config, const SweepPlan& plan, const Compute& compute,
                   SweepResult& result, Comm& comm) {
  EnterStage("sweep: test");
  CacheModel untrained;  // text alone
  untrained.width = plan.inputs.cache_model.width;
  untrained.classes = plan.inputs.cache_model.classes;
  untrained.text = plan.zero_shot_text.empty() ? plan.inputs.cache_model.text : plan.zero_shot_text;
  result.zero_shot = CountZeroShot(untrained, plan.test, compute, comm);
  result.tune_zero_shot = result.zero_shot;
  if (plan.tuned_on != TunedOn::kTest) {
    MeasureCells(plan, {config.partition, compute, "test"}, comm, result.cells);
    result.tune_zero_shot = CountZeroShot(untrained, plan.tuning(), compute, comm);
  }
  result.most_keys = plan.whole_is_shared ? plan.most_keys : 0;
  result.made_from = plan.made_from;
  result.oddities = plan.inputs.oddities;
  result.points = plan.alpha.count * plan.beta.count;
  result.tuned_on = plan.Label();
  result.tune_samples = plan.tuning().count();
  result.test_samples = plan.test.count();
}

}  // namespace

Provenance SweepProvenance(const SweepConfig& config, const Compute& compute) {
  SweepPlan plan = MakeSweepPlan(config);
  plan.made_from["device_kind"] =
      CountingCompute(compute, config.partition, plan.tasks.tasks).kind();
  return plan.made_from;
}

SweepResult RunSweep(const SweepConfig& config, const Compute& wanted, Comm& comm) {
  // Plan.
  EnterStage("sweep: plan");
  SweepPlan plan;
  Agree(comm, [&] { plan = MakeSweepPlan(config); });
  const Compute compute = CountingCompute(wanted, config.partition, plan.tasks.tasks);
  if (compute.on_gpu() != wanted.on_gpu()) {
    LogInfo("sweep: counts on the CPU: {}",
            config.partition == Partition::kClasses
                ? "--partition classes does"
                : "a GPU's shared memory cannot hold so many alphas");
  }
  plan.made_from["device_kind"] = compute.kind();
  EnterStage("sweep: output");
  const StageOutput output =
      OpenOutput(comm, config.out, kSweepFormat, plan.made_from, config.if_present);
  if (output.up_to_date) {
    SweepResult result;
    Agree(comm, [&] { result = ReadSweepFile(config.out); });
    result.oddities = plan.inputs.oddities;
    result.reused_output = true;
    return result;
  }

  // Compute.
  EnterStage("sweep: load");
  Agree(comm, [&] { LoadSweepFeatures(plan, config.partition, comm.rank(), comm.size()); });
  LogInfo("sweep: {} samples x {} keys, {} x {} grid points, {} shot counts x {} seeds",
          plan.tuning().count(), plan.inputs.cache_model.key_labels.size(), plan.alpha.count,
          plan.beta.count, plan.shots.size(), plan.seeds.size());
  Provenance parts = plan.made_from;
  parts["partition"] = PartitionName(config.partition);
  parts["blocks"] = kBlockRule;
  BlockStore store(config.out, parts,
                   {config.resume, config.if_present == IfPresent::kRecompute,
                    config.if_present == IfPresent::kReplaceIfOther, config.save_every},
                   comm);
  SweepData data = CountOnTuning(config, plan, compute, store, comm);
  MeasureOnTest(config, plan, compute, data.result, comm);
  for (const FinishedItems& part : store.loaded()) {
    data.result.resumed_items += static_cast<std::int64_t>(part.items.size());
  }

  // Write.
  EnterStage("sweep: write");
  Agree(comm, [&] {
    if (!comm.is_root()) return;
    WriteSweepFile(config.out, data);
    store.Remove();
  });
  Agree(comm, [&] { data.result.sha256 = SealOf(config.out); });
  return std::move(data.result);
}

PointResult RunPoint(const PointConfig& config, const Compute& compute, Comm& comm) {
  FewShotInputs inputs;
  Queries test;
  const bool has_cache = !config.cache.empty();
  Agree(comm, [&] {
    CheckPoint(config.alpha, "--alpha");
    CheckPoint(config.beta, "--beta");
    CheckShots(config.shots);
    FeatureSet features = ReadFeatureFile(config.features);
    inputs = LoadInputs(config.text, has_cache ? ReadCacheFile(config.cache) : features,
                        has_cache ? "cache" : "features", config.allowed);
    test = LoadQueries(inputs, std::move(features), "features");
    RequireTogether(inputs, config.allowed, inputs.made_from);
    if (has_cache && config.shots > MostKeys(inputs)) {
      throw InputError(fmt::format("--shots: {} asked but the largest class of {} has {} keys",
                                   config.shots, config.cache.string(), MostKeys(inputs)));
    }
  });
  PointResult result;
  result.oddities = inputs.oddities;
  result.samples = test.count();
  result.zero_shot = CountZeroShot(inputs.cache_model, test, compute, comm);
  result.test = result.zero_shot;
  if (has_cache) {
    Subset subset = MakeSubset(inputs, config.shots, static_cast<std::uint64_t>(config.seed));
    const std::vector<GridTask> tasks{{std::move(subset.rows_by_class),
                                       {subset.shots},
                                       Axis::Point(config.alpha),
                                       Axis::Point(config.beta)}};
    const auto counts =
        CountGrid(inputs.cache_model, test, tasks, {Partition::kSamples, compute, "tip"}, comm);
    result.test = {counts[0].top1[0], counts[0].top5[0]};
  }
  return result;
}

}  // namespace clipsweep
