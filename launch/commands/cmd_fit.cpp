#include <fmt/core.h>

#include <algorithm>

#include "common/process/error.h"
#include "common/process/log.h"
#include "finetune/fit_job.h"
#include "finetune/methods/all_methods.h"
#include "launch/commands/all_commands.h"
#include "launch/options/path_options.h"
#include "launch/options/stage_options.h"

namespace clipsweep {
namespace {

class FitCommand final : public Command {
 public:
  std::string name() const override { return "fit"; }
  std::string summary() const override {
    return "fit a few-shot method on stored features -> classifier.h5";
  }
  std::string example() const override {
    return "clipsweep fit --method lp++ --cache train.h5 --text text.h5 --features test.h5 "
           "--tune-on val.h5 --shots 16 --out classifier.h5";
  }

  void AddOptions(boost::program_options::options_description& options) override {
    // clang-format off
    options.add_options()
        ("method", Required(&config_.method), "one of the table that 'clipsweep methods' shows")
        ("cache", InputPath(&cache_)->required(), "features of the training images")
        ("text", InputPath(&text_)->required(), "text weights")
        ("features", InputPath(&features_), "features to measure on when it is fitted")
        ("tune-on", InputPath(&tune_)->default_value(tune_), "what chooses settings and epoch: validation features, 'split' to hold out some of the cache, 'test' (labelled), or 'none' for defaults")
        ("split-seed", Default(&config_.split_seed), "which images 'split' holds out")
        ("set", boost::program_options::value(&config_.settings)->multitoken()->composing(), "name=value: fixes a setting; what is not fixed is tuned or takes its default")
        ("shots", Default(&config_.shots), "keys per class, 0 for all")
        ("subset-seed", Default(&config_.subset_seed), "which keys, when fewer than all")
        ("out", OutputPath(&out_, SealedOutput("classifier file", kClassifierFormat))->required(), "classifier file to write")
        ("resume", Switch(&config_.resume), "go on with the training that an interruption left in OUT.parts")
        ("fresh", Switch(&fresh_), "replace an output made otherwise, drop what was saved");
    // clang-format on
    save_every_.Add(options, "seconds between savings of a training; 0: none");
    AddAllowOptions(options, {AllowOption::kMixed, AllowOption::kOverlap, AllowOption::kByPosition},
                    &config_.allowed);
  }

  void Prepare(const CommonOptions& common) override {
    config_.cache = cache_;
    config_.text = text_;
    config_.features = features_;
    config_.out = out_;
    config_.tune = ParseTuneOn(tune_ == "none" ? "" : tune_);
    config_.seed = common.seed;
    if (fresh_ && config_.resume) {
      throw UsageError("--resume: contradicts --fresh; give one of them");
    }
    if (fresh_) config_.if_present = IfPresent::kRecompute;
    save_every_.Take(config_.save_every);
    ParseSettings(FindMethod(config_.method, "--method").Info(), config_.settings);
  }

  CommandOutput Run(const CommandContext& context) override {
    const FitResult result = RunFit(config_, context.compute, context.comm);
    const ClassifierData& classifier = result.classifier;
    CommandOutput output;
    output.text = fmt::format("{}: {}, {} keys{}\n", out_, classifier.method, result.keys,
                              result.reused_output ? "; up to date already" : "");
    Json settings = Json::object();
    const auto info = FindMethod(config_.method, "--method").Info();
    for (const Setting& setting : info.settings) {
      const std::string& value = classifier.settings.at(setting.name);
      const bool tuned =
          std::ranges::find(classifier.tuned, setting.name) != classifier.tuned.end();
      output.text += fmt::format("  {:<13} {}{}\n", setting.name, value, tuned ? " (tuned)" : "");
      if (setting.words.empty()) {
        settings[setting.name] = std::stod(value);
      } else {
        settings[setting.name] = value;
      }
    }
    if (!classifier.history.empty()) {
      output.text += fmt::format("  epoch         {} of {} kept, last loss {:.4f}\n",
                                 classifier.selected_epoch, classifier.history.size(),
                                 classifier.history.back().loss);
    }
    output.json = {{"out", out_},
                   {"method", classifier.method},
                   {"settings", settings},
                   {"tuned", classifier.tuned},
                   {"tuned_on", TunedOnName(classifier.tuned_on)},
                   {"keys", result.keys},
                   {"shots", result.shots},
                   {"subset_seed", config_.subset_seed},
                   {"up_to_date", result.reused_output},
                   {"seconds", result.seconds},
                   {"peak_memory", result.peak_memory},
                   {"sha256", classifier.seal}};
    if (result.test_samples > 0) {
      output.text += fmt::format(
          "test: {}{}\n", CountsText(result.test_samples, result.test.top1, result.test.top5),
          TunedLabel(classifier.tuned_on));
      output.json["test"] = CountsJson(result.test_samples, result.test.top1, result.test.top5);
    }
    if (!classifier.history.empty()) {
      output.json["selected_epoch"] = classifier.selected_epoch;
      output.json["history"] = HistoryJson(classifier);
      output.json["steps"] = result.steps;
      output.json["seconds_per_step"] = result.median_step_seconds;
    }
    output.json["notes"] = classifier.notes;
    for (const std::string& note : classifier.notes) output.text += "note: " + note + "\n";
    NoteSkipped(context, FeatureFiles(), output);
    NoteOddities(context, result.oddities, output);
    std::vector<std::string> measured = FeatureFiles();
    measured.erase(measured.begin());
    NoteClassesWithoutImages(context, cache_, measured, output);
    return output;
  }

 private:
  static Json HistoryJson(const ClassifierData& classifier) {
    Json history = Json::array();
    for (const EpochRecord& epoch : classifier.history) {
      Json entry = {{"loss", epoch.loss}};
      if (epoch.select_top1 >= 0) {
        entry["select"] =
            CountsJson(classifier.select_samples, epoch.select_top1, epoch.select_top5);
      }
      history.push_back(std::move(entry));
    }
    return history;
  }

  // The cache first.
  std::vector<std::string> FeatureFiles() const {
    std::vector<std::string> files{cache_};
    if (!features_.empty()) files.push_back(features_);
    if (config_.tune.kind == TunedOn::kVal) files.push_back(config_.tune.features.string());
    return files;
  }

  bool fresh_ = false;
  FitConfig config_;
  std::string cache_, text_, features_, tune_ = "none", out_;
  SaveEveryOption save_every_{10};
};

}  // namespace

std::unique_ptr<Command> MakeFitCommand() { return std::make_unique<FitCommand>(); }

}  // namespace clipsweep
