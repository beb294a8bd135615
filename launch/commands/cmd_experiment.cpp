#include <fmt/core.h>

#include <algorithm>
#include <span>

#include "common/process/log.h"
#include "launch/commands/all_commands.h"
#include "launch/experiment/experiment.h"
#include "launch/experiment/options.h"
#include "launch/experiment/plan.h"

namespace clipsweep {
namespace {

bool Cannot(const PlannedStage& stage) {
  return stage.what == PlannedStage::What::kRefuses || stage.what == PlannedStage::What::kBlocked;
}

std::string PlanText(const std::vector<PlannedStage>& plan) {
  std::string text;
  std::int64_t runs = 0, refused = 0;
  for (const PlannedStage& stage : plan) {
    if (stage.what == PlannedStage::What::kRuns) ++runs;
    if (Cannot(stage)) ++refused;
    text += fmt::format(
        "{:<8} {:<34} {}\n", PlannedName(stage.what), stage.name,
        stage.what == PlannedStage::What::kKept ? stage.out.string() : Printable(stage.why));
  }
  text += fmt::format("\n{} of {} stages would run", runs, plan.size());
  if (refused > 0) text += fmt::format("; {} cannot, see above", refused);
  return text + "\n";
}

Json PlanJson(const std::vector<PlannedStage>& plan) {
  Json stages = Json::array();
  for (const PlannedStage& stage : plan) {
    stages.push_back({{"stage", stage.name},
                      {"out", stage.out.string()},
                      {"what", PlannedName(stage.what)},
                      {"why", stage.why}});
  }
  return stages;
}

class ExperimentCommand final : public Command {
 public:
  std::string name() const override { return "experiment"; }
  std::string summary() const override {
    return "extract, text, zero-shot, sweep and fine-tune for all shots and seeds, with a table";
  }
  std::string example() const override {
    return "mpirun -np 2 clipsweep experiment --config launch/imagenet-rn50.ini --run "
           "runs/imagenet";
  }

  void AddOptions(boost::program_options::options_description& options) override {
    options_.Add(options);
    options.add_options()(
        "plan", Switch(&plan_),
        "only say which stages would run, which files are kept, and what the run would stop on");
  }

  void Prepare(const CommonOptions& common) override { config_ = options_.Config(common); }

  CommandOutput Run(const CommandContext& context) override {
    if (!plan_) return RunAndReport(config_, context);
    const auto plan = PlanExperiment(config_, context.compute, context.comm);
    CommandOutput output;
    output.text = PlanText(plan);
    output.json = {{"run", config_.run.string()}, {"plan", PlanJson(plan)}};
    output.error = Refusals(plan);
    std::int64_t refused = std::any_of(plan.begin(), plan.end(), Cannot) ? 1 : 0;
    context.comm.MaxInt64(std::span(&refused, 1));
    if (refused > 0) output.code = ExitCode::kBadInput;
    return output;
  }

 private:
  ExperimentOptions options_;
  ExperimentConfig config_;
  bool plan_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeExperimentCommand() { return std::make_unique<ExperimentCommand>(); }

}  // namespace clipsweep
