#include "launch/experiment/stages.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <map>

#include "common/files/adapter_file.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "finetune/finetune_plan.h"
#include "launch/experiment/stage_table.h"
#include "sweep/sweep_plan.h"

namespace clipsweep {

namespace fs = std::filesystem;

std::vector<Stage> StageTable::Make() {
  CheckLabels();
  AddSources();
  AddSweep();
  for (const std::int64_t shots : config_.shots) {
    for (const std::int64_t seed : config_.seeds) AddFinetune(shots, seed);
  }
  for (const std::string& spec : AllTemplates()) AddZeroShot(spec);
  AddMethods();
  for (std::size_t s = 0; s < config_.shots.size(); ++s) AddTip(s);
  for (std::size_t s = 0; s < config_.shots.size(); ++s) AddAdapter(s);
  CheckFreshNames();
  return std::move(stages_);
}

StageTable::Names StageTable::AllTemplates() const {
  Names all = {config_.templates};
  for (const std::string& spec : config_.compare_templates) {
    if (std::find(all.begin(), all.end(), spec) == all.end()) all.push_back(spec);
  }
  return all;
}

void StageTable::CheckLabels() const {
  std::map<std::string, std::string> spec_of;
  for (const std::string& spec : AllTemplates()) {
    const auto [known, is_new] = spec_of.emplace(TemplatesLabel(spec), spec);
    if (!is_new) {
      throw UsageError(
          fmt::format("--templates, --compare-templates: {} and {} would be one file; rename one",
                      Printable(known->second), Printable(spec)));
    }
  }
}

std::string StageTable::TextStage(const std::string& spec) const {
  return spec == config_.templates ? "text" : "text " + TemplatesLabel(spec);
}

fs::path StageTable::TextFile(const std::string& spec) const {
  return File(spec == config_.templates ? "text.h5"
                                        : fmt::format("text-{}.h5", TemplatesLabel(spec)));
}

fs::path StageTable::AdapterFile(std::int64_t shots, std::int64_t seed) const {
  return File(fmt::format("adapter-{}shot-seed{}.h5", shots, seed));
}

StageTable::Names StageTable::Needs(Names needs) const {
  needs.insert(needs.end(), {SplitStage("test"), "text"});
  if (!config_.tune_on_test()) needs.push_back(SplitStage("val"));
  return needs;
}

bool StageTable::IsFresh(const std::string& name, const fs::path& out, const Names& needs) {
  bool fresh = config_.fresh.everything;
  for (const std::string& asked : config_.fresh.names) {
    if (asked != name && asked != out.stem() && asked != out.filename() && asked != out) continue;
    fresh_names_.insert(asked);
    fresh = true;
  }
  for (const std::string& need : needs) fresh |= fresh_stages_.contains(need);
  if (fresh) fresh_stages_.insert(name);
  return fresh;
}

void StageTable::CheckFreshNames() const {
  for (const std::string& asked : config_.fresh.names) {
    if (fresh_names_.contains(asked)) continue;
    Names known;
    for (const Stage& stage : stages_) known.push_back(stage.out.stem().string());
    throw UsageError(
        fmt::format("--fresh: '{}' is no stage and no file of this run; name some of: {}",
                    Printable(asked), Printable(fmt::format("{}", fmt::join(known, ", ")))));
  }
}

void StageTable::AddSweep() {
  SweepConfig job;
  job.cache = File("train.h5");
  job.features = File("test.h5");
  job.text = File("text.h5");
  job.out = File("sweep.h5");
  static_cast<SweepSettings&>(job) = config_.sweep;
  job.save_every = config_.save_every.value_or(job.save_every);
  job.tune =
      config_.tune_on_test() ? TuneOn{TunedOn::kTest, {}} : TuneOn{TunedOn::kVal, File("val.h5")};
  job.shots = config_.shots;
  job.seeds = config_.seeds;
  job.allowed = config_.allowed;
  Stage stage;
  stage.name = "sweep";
  stage.unit = "samples";
  stage.out = job.out;
  stage.format = kSweepFormat;
  stage.needs = Needs({SplitStage("train")});
  const bool fresh = IsFresh(stage.name, stage.out, stage.needs);
  job.resume = !fresh;
  job.if_present = Derived(fresh);
  stage.if_present = job.if_present;
  stage.made_from = [at = at_, job] { return SweepProvenance(job, at.compute); };
  stage.run = [at = at_, job](Comm& comm) {
    const SweepResult swept = RunSweep(job, at.compute, comm);
    at.result.cells = swept.cells;
    at.result.test_samples = swept.test_samples;
    at.result.tuned_on = swept.tuned_on;
    at.result.most_keys = swept.most_keys;
    at.result.oddities.Add(swept.oddities);
    return swept.reused_output;
  };
  stages_.push_back(std::move(stage));
}

void StageTable::AddFinetune(std::int64_t shots, std::int64_t seed) {
  FinetuneConfig job;
  job.cache = File("train.h5");
  job.features = File("test.h5");
  job.text = File("text.h5");
  job.sweep = File("sweep.h5");
  job.shots = shots;
  job.subset_seed = seed;
  static_cast<TrainSettings&>(job) = config_.training;
  job.save_every = config_.save_every.value_or(job.save_every);
  job.seed = config_.seed;
  job.count_zero_shot = false;  // evaluations count it
  if (job.select == Select::kVal) job.val = File("val.h5");
  job.out = AdapterFile(shots, seed);
  job.allowed = config_.allowed;
  Stage stage;
  stage.name = fmt::format("finetune {}-shot seed {}", shots, seed);
  stage.unit = "samples";
  stage.out = job.out;
  stage.format = kAdapterFormat;
  stage.needs = Needs({SplitStage("train"), "sweep"});
  stage.shared_work = true;
  const bool fresh = IsFresh(stage.name, stage.out, stage.needs);
  job.resume = !fresh;
  job.if_present = Derived(fresh);
  stage.if_present = job.if_present;
  stage.made_from = [at = at_, job] { return FinetuneProvenance(job, at.compute); };
  stage.run = [at = at_, job](Comm& comm) {
    at.result.adapters.push_back(RunFinetune(job, at.compute, comm));
    at.result.oddities.Add(at.result.adapters.back().oddities);
    return at.result.adapters.back().reused_output;
  };
  if (seed != config_.seeds.front()) {
    stage.repeat = [at = at_] { at.result.adapters.push_back(at.result.adapters.back()); };
    stage.same_as_before = [shots, sweep = job.sweep] {
      return ReadSweepFile(sweep).most_keys == shots;
    };
  }
  stages_.push_back(std::move(stage));
}

std::string TemplatesLabel(const std::string& spec) {
  std::string label = fs::path(spec).stem().string();
  for (char& c : label) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '-' && c != '_') c = '-';
  }
  return label;
}

std::vector<Stage> MakeStages(const ExperimentConfig& config, const ExperimentData& data,
                              const Compute& compute, ExperimentResult& result) {
  return StageTable(config, data, compute, result).Make();
}

}  // namespace clipsweep
