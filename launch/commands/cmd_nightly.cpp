#include <fmt/core.h>

#include <cmath>
#include <cstdlib>

#include "common/process/error.h"
#include "common/process/log.h"
#include "launch/commands/all_commands.h"
#include "launch/experiment/options.h"
#include "launch/nightly/night.h"
#include "launch/options/path_options.h"

namespace clipsweep {
namespace {

class NightlyCommand final : public Command {
 public:
  std::string name() const override { return "nightly"; }
  std::string summary() const override {
    return "experiment, then a row in the history and a check against the nights before";
  }
  std::string example() const override {
    return "mpirun -np 2 clipsweep nightly --config launch/nightly/nightly.ini --commit 1d3ec05";
  }

  void AddOptions(boost::program_options::options_description& options) override {
    options_.Add(options);
    // clang-format off
    options.add_options()
        ("history", OutputPath(&history_, TextOutputOf("history of nights", "SQLite format 3")), "SQLite file of all nights; default: history.sqlite in --run")
        ("commit", Optional(&config_.commit), "what is built, for the history; default: $CLIPSWEEP_COMMIT")
        ("machine", Optional(&config_.machine), "name that nights are compared under; default: the host's")
        ("window", Default(&config_.window), "nights whose median times are compared with")
        ("time-band", Default(&config_.band.share), "slower than the median by more than this share is a regression ..")
        ("time-deviations", Default(&config_.band.deviations), ".. and by more than so many robust standard deviations ..")
        ("time-floor", Default(&config_.band.floor), ".. and by more than so many seconds")
        ("every", Default(&config_.every_hours), "hours between nights; longer gaps become missed nights; 0: irregular")
        ("reuse", Switch(&config_.reuse), "one folder for all nights: only what is new is computed and timed")
        ("accept", Switch(&config_.accept), "tonight's answers become the reference, whatever they were")
        ("keep-nights", Default(&config_.keep_nights), "nights kept in the history")
        ("keep-runs", Default(&config_.keep_runs), "folders of nights kept")
        ("prometheus", OutputPath(&prometheus_, OutputKind{"file of figures", "", "# HELP clipsweep_", false}), "also write figures for Prometheus' node exporter: a .prom file")
        ("on-regression", Optional(&config_.on_regression), "shell command to run when a night regressed or failed; "
         "finds $CLIPSWEEP_STATUS, $CLIPSWEEP_SUMMARY_MD and $CLIPSWEEP_SUMMARY_JSON");
    // clang-format on
  }

  void Prepare(const CommonOptions& common) override {
    config_.experiment = options_.Config(common);
    const ExperimentConfig& experiment = config_.experiment;
    if (experiment.has_features() &&
        IsBelow(experiment.features_from.string(), experiment.run.string())) {
      throw UsageError(fmt::format(
          "--features-from: {} is in --run, whose old nights are removed; keep features "
          "elsewhere",
          Printable(experiment.features_from.string())));
    }
    config_.history = history_;
    config_.prometheus = prometheus_;
    if (config_.commit.empty()) {
      const char* commit = std::getenv("CLIPSWEEP_COMMIT");
      config_.commit = commit == nullptr ? "" : commit;
    }
    const auto at_least = [](auto value, auto least, const char* option) {
      if (!std::isfinite(static_cast<double>(value)) || value < least) {
        throw UsageError(fmt::format("{}: {} is not {} or more", option, value, least));
      }
    };
    at_least(config_.window, 1, "--window");
    at_least(config_.band.share, 0.0, "--time-band");
    at_least(config_.band.deviations, 0.0, "--time-deviations");
    at_least(config_.band.floor, 0.0, "--time-floor");
    if (config_.every_hours != 0) at_least(config_.every_hours, 0.01, "--every");
    at_least(config_.keep_nights, 2, "--keep-nights");
    at_least(config_.keep_runs, 1, "--keep-runs");
  }

  CommandOutput Run(const CommandContext& context) override {
    const NightOutcome outcome = RunNight(config_, context);
    CommandOutput output;
    if (outcome.night.status != "ok") output.code = ExitCode::kRegression;
    if (!context.comm.is_root()) return output;
    output.text = SummaryMarkdown(outcome);
    output.json = SummaryJson(outcome);
    return output;
  }

 private:
  ExperimentOptions options_;
  NightConfig config_;
  std::string history_, prometheus_;
};

}  // namespace

std::unique_ptr<Command> MakeNightlyCommand() { return std::make_unique<NightlyCommand>(); }

}  // namespace clipsweep
