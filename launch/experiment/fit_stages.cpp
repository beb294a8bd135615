// The stages of --methods: each method of the table fitted for every shot count and subset seed,
// and the first seed's classifier looked at image by image.
#include <fmt/core.h>

#include <algorithm>

#include "common/files/classifier_file.h"
#include "finetune/methods/all_methods.h"
#include "launch/experiment/stage_table.h"
#include "sweep/sweep_job.h"

namespace clipsweep {

namespace {

// "lp++-4shot-seed1.h5", "lp++-4shot-seed1-on-test.h5".
std::string FitFile(const std::string& method, std::int64_t shots, std::int64_t seed,
                    TunedOn tuned_on) {
  return fmt::format("{}-{}shot-seed{}{}.h5", method, shots, seed,
                     tuned_on == TunedOn::kTest ? "-on-test" : "");
}

std::string FitStage(const std::string& method, std::int64_t shots, std::int64_t seed,
                     TunedOn tuned_on) {
  return fmt::format("fit {} {}-shot seed {}{}", method, shots, seed,
                     tuned_on == TunedOn::kTest ? " on test" : "");
}

}  // namespace

void StageTable::AddMethods() {
  const TunedOn chosen_on = config_.tune_on_test() ? TunedOn::kTest : TunedOn::kVal;
  for (const std::string& name : config_.methods) {
    for (const std::int64_t shots : config_.shots) {
      for (const std::int64_t seed : config_.seeds) AddFit(name, shots, seed, chosen_on);
    }
  }
  if (config_.leak) AddLeak();
  for (const std::string& name : config_.methods) {
    for (const std::int64_t shots : config_.shots) AddFitted(name, shots, chosen_on);
  }
}

// What is chosen, chosen on test too; and on validation images where no fit stage did that.
void StageTable::AddLeak() {
  for (const auto& method : AllMethods()) {
    const MethodInfo info = method->Info();
    const bool listed = std::ranges::find(config_.methods, info.name) != config_.methods.end();
    if (info.tuned.empty() || !(listed || info.of_every_study)) continue;
    for (const TunedOn chosen_on : {TunedOn::kVal, TunedOn::kTest}) {
      if (listed && chosen_on == TunedOn::kVal) continue;
      for (const std::int64_t shots : config_.shots) {
        for (const std::int64_t seed : config_.seeds) AddFit(info.name, shots, seed, chosen_on);
      }
    }
  }
}

void StageTable::AddFit(const std::string& method, std::int64_t shots, std::int64_t seed,
                        TunedOn tuned_on) {
  FitConfig job;
  job.method = method;
  job.cache = File("train.h5");
  job.text = File("text.h5");
  job.features = File("test.h5");
  job.tune = {tuned_on, tuned_on == TunedOn::kVal ? File("val.h5") : Path()};
  job.shots = shots;
  job.subset_seed = seed;
  job.seed = config_.seed;
  job.out = File(FitFile(method, shots, seed, tuned_on));
  job.allowed = config_.allowed;
  job.save_every = config_.save_every.value_or(job.save_every);
  Stage stage;
  stage.name = FitStage(method, shots, seed, tuned_on);
  stage.unit = "samples";
  stage.out = job.out;
  stage.format = kClassifierFormat;
  stage.needs = Needs({SplitStage("train")});
  stage.shared_work = true;
  const bool fresh = IsFresh(stage.name, stage.out, stage.needs);
  job.resume = !fresh;
  job.if_present = Derived(fresh);
  stage.if_present = job.if_present;
  stage.made_from = [job] { return FitProvenance(job); };
  stage.run = [at = at_, job, tuned_on](Comm& comm) {
    FitResult done = RunFit(job, at.compute, comm);
    at.result.oddities.Add(done.oddities);
    const bool reused = done.reused_output;
    at.result.fits.push_back({job.shots, job.subset_seed, tuned_on, std::move(done)});
    return reused;
  };
  if (seed != config_.seeds.front()) {
    stage.repeat = [at = at_, seed] {
      at.result.fits.push_back(at.result.fits.back());
      at.result.fits.back().seed = seed;
    };
    stage.same_as_before = [shots, sweep = File("sweep.h5")] {
      return ReadSweepFile(sweep).most_keys == shots;
    };
  }
  stages_.push_back(std::move(stage));
}

void StageTable::AddFitted(const std::string& method, std::int64_t shots, TunedOn tuned_on) {
  EvaluateConfig job;
  job.features = File("test.h5");
  job.classifier = File(FitFile(method, shots, config_.seeds.front(), tuned_on));
  job.out = File(fmt::format("predictions-{}-{}shot.h5", method, shots));
  job.allowed = config_.allowed;
  AddEvaluation(fmt::format("{} {}-shot", method, shots),
                FindMethod(method, "--methods").Info().title, config_.templates, shots, job,
                {SplitStage("test"), FitStage(method, shots, config_.seeds.front(), tuned_on)},
                [](EvaluateConfig&) {});
}

}  // namespace clipsweep
