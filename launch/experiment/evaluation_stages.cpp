// The stages that look at one classifier image by image.
#include <fmt/core.h>

#include "common/process/error.h"
#include "launch/experiment/stage_table.h"
#include "sweep/sweep_plan.h"

namespace clipsweep {

void StageTable::AddEvaluation(const std::string& name, const std::string& method,
                               const std::string& spec, std::int64_t shots, EvaluateConfig job,
                               const Names& needs,
                               const std::function<void(EvaluateConfig&)>& complete) {
  Stage stage;
  stage.name = "evaluate " + name;
  stage.unit = "images";
  stage.out = job.out;
  stage.format = kPredictionFormat;
  job.if_present = Derived(IsFresh(stage.name, stage.out, needs));
  stage.if_present = job.if_present;
  stage.needs = needs;
  stage.made_from = [job, complete] {
    EvaluateConfig whole = job;
    complete(whole);
    return EvaluateProvenance(whole);
  };
  stage.run = [at = at_, job, complete, method, spec, shots](Comm& comm) {
    EvaluateConfig whole = job;
    Agree(comm, [&] { complete(whole); });
    const bool reused = RunEvaluate(whole, at.compute, comm).reused_output;
    Evaluation& done = at.result.evaluations.emplace_back();
    done = {method, TemplatesLabel(spec), shots, job.out, {}};
    Agree(comm, [&] { done.summary = SummarizePredictions(ReadPredictionFile(job.out)); });
    return reused;
  };
  stages_.push_back(std::move(stage));
}

EvaluateConfig StageTable::Evaluate(const std::string& spec, const std::string& file) const {
  EvaluateConfig job;
  job.features = File("test.h5");
  job.text = TextFile(spec);
  job.out = config_.run / file;
  job.allowed = config_.allowed;
  return job;
}

void StageTable::AddZeroShot(const std::string& spec) {
  const std::string label = TemplatesLabel(spec);
  AddEvaluation("zero-shot " + label, "zero-shot", spec, 0,
                Evaluate(spec, fmt::format("predictions-zeroshot-{}.h5", label)),
                {SplitStage("test"), TextStage(spec)}, [](EvaluateConfig&) {});
}

void StageTable::AddTip(std::size_t place) {
  const std::int64_t shots = config_.shots[place];
  EvaluateConfig job =
      Evaluate(config_.templates, fmt::format("predictions-tip-adapter-{}shot.h5", shots));
  job.cache = File("train.h5");
  job.shots = shots;
  job.subset_seed = config_.seeds.front();
  const std::size_t cell = place * config_.seeds.size();
  AddEvaluation(
      fmt::format("Tip-Adapter {}-shot", shots), "Tip-Adapter", config_.templates, shots, job,
      {SplitStage("train"), SplitStage("test"), "text", "sweep"},
      [cell, sweep = File("sweep.h5")](EvaluateConfig& whole) {
        const std::vector<SweepCell> cells = ReadSweepFile(sweep).cells;
        if (cell >= cells.size()) {
          throw InputError(fmt::format("{}: has no cell {}; sweep again", sweep.string(), cell));
        }
        whole.alpha = cells[cell].alpha;
        whole.beta = cells[cell].beta;
      });
}

void StageTable::AddAdapter(std::size_t place) {
  const std::int64_t shots = config_.shots[place];
  EvaluateConfig job =
      Evaluate(config_.templates, fmt::format("predictions-tip-adapter-f-{}shot.h5", shots));
  job.adapter = AdapterFile(shots, config_.seeds.front());
  AddEvaluation(fmt::format("Tip-Adapter-F {}-shot", shots), "Tip-Adapter-F", config_.templates,
                shots, job,
                {SplitStage("test"), "text",
                 fmt::format("finetune {}-shot seed {}", shots, config_.seeds.front())},
                [](EvaluateConfig&) {});
}

}  // namespace clipsweep
