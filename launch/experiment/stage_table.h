// How the table of stages is made; for the files named *_stages.cpp and stages.cpp alone.
#pragma once

#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "finetune/evaluate_job.h"
#include "launch/experiment/hold_out.h"
#include "launch/experiment/stages.h"

namespace clipsweep {

// What stages keep when the table that made them is gone.
struct StageContext {
  const Compute& compute;
  ExperimentResult& result;
};

// What is cheap and made from other input is replaced. An extraction, which may have cost hours,
// refuses, so that a typing error does not throw features away.
class StageTable {
 public:
  StageTable(const ExperimentConfig& config, const ExperimentData& data, const Compute& compute,
             ExperimentResult& result)
      : config_(config), data_(data), at_{compute, result} {}

  // Throws UsageError when --fresh names what is no stage and no file of one.
  std::vector<Stage> Make();

 private:
  using Path = std::filesystem::path;
  using Names = std::vector<std::string>;

  // What the few-shot methods use comes first.
  Names AllTemplates() const;
  void CheckLabels() const;
  std::string TextStage(const std::string& spec) const;
  Path TextFile(const std::string& spec) const;
  Path File(const std::string& name) const { return config_.File(name); }
  Path AdapterFile(std::int64_t shots, std::int64_t seed) const;
  // "test", or what is extracted to choose alpha, beta and epoch.
  Names Needs(Names needs) const;

  // Whether --fresh asks for this stage, by its name or file, or for one that it stands on. Stages
  // are asked about in their order.
  bool IsFresh(const std::string& name, const Path& out, const Names& needs);
  void CheckFreshNames() const;
  static IfPresent Derived(bool fresh) {
    return fresh ? IfPresent::kRecompute : IfPresent::kReplaceIfOther;
  }

  // In source_stages.cpp.
  void AddSources();
  // What makes the features of "train", "val" or "test"; where they are there, no stage has the
  // name.
  std::string SplitStage(const std::string& split) const;
  void AddExtract(const std::string& split, const ExperimentData::Split& source);
  void AddHoldOut(const std::string& split, HoldOutPart part);
  void AddText(const std::string& spec);

  void AddSweep();
  void AddFinetune(std::int64_t shots, std::int64_t seed);

  // In evaluation_stages.cpp. `complete` fills in what is known only once the stages before have
  // run.
  void AddEvaluation(const std::string& name, const std::string& method, const std::string& spec,
                     std::int64_t shots, EvaluateConfig job, const Names& needs,
                     const std::function<void(EvaluateConfig&)>& complete);
  EvaluateConfig Evaluate(const std::string& spec, const std::string& file) const;
  // In fit_stages.cpp.
  void AddMethods();
  void AddLeak();
  void AddFit(const std::string& method, std::int64_t shots, std::int64_t seed, TunedOn tuned_on);
  void AddFitted(const std::string& method, std::int64_t shots, TunedOn tuned_on);

  void AddZeroShot(const std::string& spec);
  void AddTip(std::size_t place);
  void AddAdapter(std::size_t place);

  const ExperimentConfig& config_;
  const ExperimentData& data_;
  const StageContext at_;
  std::vector<Stage> stages_;
  std::set<std::string> fresh_stages_, fresh_names_;  // names: those of --fresh that were met
};

}  // namespace clipsweep
