#include "launch/experiment/experiment.h"

#include <fmt/core.h>

#include "common/process/error.h"
#include "common/process/log.h"
#include "finetune/methods/all_methods.h"
#include "launch/experiment/checks.h"
#include "launch/experiment/data.h"
#include "launch/experiment/plan.h"
#include "launch/experiment/stage_clock.h"
#include "launch/experiment/stages.h"
#include "launch/experiment/stored_features.h"

namespace clipsweep {
namespace {

// A row a shot count of a method of --methods.
void AddFits(const ExperimentConfig& config, const std::string& method,
             const ExperimentResult& result, std::vector<MethodRow>& rows) {
  const TunedOn chosen_on = config.tune_on_test() ? TunedOn::kTest : TunedOn::kVal;
  for (const std::int64_t shots : config.shots) {
    MethodRow row{FindMethod(method, "--methods").Info().title,
                  TemplatesLabel(config.templates),
                  shots,
                  {},
                  {}};
    for (const MethodFit& one : result.fits) {
      if (one.fit.classifier.method != method || one.shots != shots || one.chosen_on != chosen_on) {
        continue;
      }
      if (shots == result.most_keys && !row.top1.empty()) break;  // one subset, not one a seed
      const auto samples = static_cast<double>(one.fit.test_samples);
      row.top1.push_back(static_cast<double>(one.fit.test.top1) / samples);
      row.top5.push_back(static_cast<double>(one.fit.test.top5) / samples);
    }
    rows.push_back(std::move(row));
  }
}

std::vector<MethodRow> MakeRows(const ExperimentConfig& config, const ExperimentResult& result) {
  const auto fraction = [](std::int64_t right, std::int64_t samples) {
    return static_cast<double>(right) / static_cast<double>(samples);
  };
  std::vector<MethodRow> rows;
  for (const Evaluation& done : result.evaluations) {
    if (done.shots != 0) continue;
    rows.push_back({done.method,
                    done.templates,
                    0,
                    {fraction(done.summary.top1, done.summary.samples)},
                    {fraction(done.summary.top5, done.summary.samples)}});
  }
  const auto add = [&](const std::string& method, const auto& counts_of) {
    for (const std::int64_t shots : config.shots) {
      MethodRow row{method, TemplatesLabel(config.templates), shots, {}, {}};
      for (std::size_t i = 0; i < result.cells.size(); ++i) {
        if (result.cells[i].shots != shots) continue;
        if (shots == result.most_keys && !row.top1.empty()) break;  // one subset, not one a seed
        const TopCounts counts = counts_of(i);
        row.top1.push_back(fraction(counts.top1, result.test_samples));
        row.top5.push_back(fraction(counts.top5, result.test_samples));
      }
      rows.push_back(std::move(row));
    }
  };
  add("Tip-Adapter", [&](std::size_t i) { return result.cells[i].test; });
  add("Tip-Adapter-F", [&](std::size_t i) { return result.adapters[i].test; });
  for (const std::string& method : config.methods) AddFits(config, method, result, rows);
  return rows;
}

// Images and the model that is to be held over all stages, looked at on rank 0.
std::shared_ptr<const Checkpoint> PrepareImages(const ExperimentConfig& config,
                                                const Compute& compute, bool is_root,
                                                ExperimentData& data, ExperimentResult& result) {
  data = ReadExperimentData(config);
  if (!data.train.list.empty()) result.left_out["train"] = data.left_out;
  if (!is_root) return OpenCheckpoint(config.model);
  for (const std::string& line : data.left_out.Lines()) {
    LogWarning("{}: {}", Printable(config.train.string()), line);
  }
  auto model = CheckModel(config, compute);
  CheckKept(config, data, compute);  // before new lists replace those that they were made with
  data.Write();
  return model;
}

}  // namespace

ExperimentResult RunExperiment(const ExperimentConfig& config, const Compute& compute, Comm& comm,
                               const std::function<void(const ExperimentResult&)>& stage_done) {
  CheckExperiment(config, comm);
  ExperimentData data;
  ExperimentResult result;
  std::vector<Stage> stages;
  std::shared_ptr<const Checkpoint> model;
  Agree(comm, [&] {
    if (config.has_features()) {
      if (comm.is_root()) CheckStoredFeatures(config);
      DescribeStoredFeatures(config, result);
    } else {
      model = PrepareImages(config, compute, comm.is_root(), data, result);
    }
    stages = MakeStages(config, data, compute, result);
  });
  for (const Stage& stage : stages) {
    StageTime about{stage.name, stage.unit, false, false, stage.shared_work, {}, ""};
    bool same = false;
    Agree(comm, [&] {
      same = stage.same_as_before && stage.same_as_before();
      about.resumed = std::filesystem::exists(stage.out.string() + ".parts");
    });
    if (same) {
      stage.repeat();
      continue;
    }
    result.files.push_back(stage.out);
    StageClock clock(about);
    const bool reused = stage.run(comm);
    result.stages.push_back(clock.Stop(reused, comm));
    LogInfo("{}: {}{}", stage.name, stage.out.string(), reused ? ", up to date" : "");
    Agree(comm, [&] {
      if (comm.is_root()) stage_done(result);
    });
  }
  result.rows = MakeRows(config, result);
  return result;
}

}  // namespace clipsweep
