#include <fmt/core.h>

#include "common/files/prediction_file.h"
#include "finetune/evaluate_job.h"
#include "finetune/methods/classifier.h"
#include "launch/commands/all_commands.h"
#include "launch/options/path_options.h"

namespace clipsweep {
namespace {

class EvaluateCommand final : public Command {
 public:
  std::string name() const override { return "evaluate"; }
  std::string summary() const override { return "accuracy of a classifier on stored features"; }
  std::string example() const override {
    return "clipsweep evaluate --classifier classifier.h5 --features test.h5 --out predictions.h5";
  }

  void AddOptions(boost::program_options::options_description& options) override {
    // clang-format off
    options.add_options()
        ("classifier", InputPath(&classifier_)->required(), "of fit, or an adapter of finetune")
        ("features", InputPath(&features_)->required(), "features to classify")
        ("out", OutputPath(&out_, SealedOutput("predictions file", kPredictionFormat)), "also write what it says of every image")
        ("fresh", Switch(&fresh_), "replace an output made otherwise");
    // clang-format on
    AddAllowOptions(options, {AllowOption::kMixed, AllowOption::kOverlap}, &config_.allowed);
  }

  CommandOutput Run(const CommandContext& context) override {
    config_.classifier = classifier_;
    config_.features = features_;
    config_.out = out_;
    if (fresh_) config_.if_present = IfPresent::kRecompute;
    const EvaluateResult result = RunEvaluate(config_, context.compute, context.comm);
    ClassifierData classifier;
    Agree(context.comm, [&] { classifier = ReadClassifier(classifier_); });
    CommandOutput output;
    output.text = fmt::format("{}: {}{}\n", classifier_,
                              CountsText(result.samples, result.counts.top1, result.counts.top5),
                              TunedLabel(classifier.tuned_on));
    output.json = {{"classifier", classifier_},
                   {"method", classifier.method},
                   {"tuned_on", TunedOnName(classifier.tuned_on)},
                   {"test", CountsJson(result.samples, result.counts.top1, result.counts.top5)}};
    if (!out_.empty()) {
      output.json["out"] = out_;
      output.json["up_to_date"] = result.reused_output;
    }
    NoteSkipped(context, {features_}, output);
    NoteOddities(context, result.oddities, output);
    NoteClassesWithoutImages(context, "", {features_}, output);
    return output;
  }

 private:
  bool fresh_ = false;
  EvaluateConfig config_;
  std::string classifier_, features_, out_;
};

}  // namespace

std::unique_ptr<Command> MakeEvaluateCommand() { return std::make_unique<EvaluateCommand>(); }

}  // namespace clipsweep
