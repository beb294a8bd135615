// zeroshot and tip: one point of the grid.
#include <fmt/core.h>

#include "launch/commands/all_commands.h"
#include "launch/options/path_options.h"
#include "sweep/sweep_job.h"

namespace clipsweep {
namespace {

class ZeroshotCommand final : public Command {
 public:
  std::string name() const override { return "zeroshot"; }
  std::string summary() const override { return "accuracy of the text weights alone"; }
  std::string example() const override {
    return "clipsweep zeroshot --features test.h5 --text text.h5";
  }

  void AddOptions(boost::program_options::options_description& options) override {
    // clang-format off
    options.add_options()
        ("features", InputPath(&features_)->required(), "features to classify")
        ("text", InputPath(&text_)->required(), "text weights");
    // clang-format on
    AddAllowOptions(options, {AllowOption::kMixed, AllowOption::kByPosition}, &allowed_);
  }

  CommandOutput Run(const CommandContext& context) override {
    PointConfig config;
    config.allowed = allowed_;
    config.features = features_;
    config.text = text_;
    const PointResult result = RunPoint(config, context.compute, context.comm);
    CommandOutput output;
    output.text = fmt::format("zero-shot: {}\n",
                              CountsText(result.samples, result.test.top1, result.test.top5));
    output.json = {{"tuned_on", "none"},
                   {"test", CountsJson(result.samples, result.test.top1, result.test.top5)}};
    NoteSkipped(context, {features_}, output);
    NoteOddities(context, result.oddities, output);
    NoteClassesWithoutImages(context, "", {features_}, output);
    return output;
  }

 private:
  std::string features_, text_;
  Allowed allowed_;
};

class TipCommand final : public Command {
 public:
  std::string name() const override { return "tip"; }
  std::string summary() const override { return "accuracy of Tip-Adapter at one alpha and beta"; }
  std::string example() const override {
    return "clipsweep tip --cache train.h5 --features test.h5 --text text.h5 --alpha 1 --beta 5.5";
  }

  void AddOptions(boost::program_options::options_description& options) override {
    // clang-format off
    options.add_options()
        ("cache", InputPath(&cache_)->required(), "features of the training images: the keys")
        ("features", InputPath(&features_)->required(), "features to classify")
        ("text", InputPath(&text_)->required(), "text weights")
        ("alpha", Required(&config_.alpha), "weight of the cache, 0 or more")
        ("beta", Required(&config_.beta), "sharpness of the cache, 0 or more")
        ("shots", Default(&config_.shots), "keys per class, 0 for all")
        ("subset-seed", Default(&config_.seed), "which keys, when fewer than all");
    // clang-format on
    AddAllowOptions(options, {AllowOption::kMixed, AllowOption::kOverlap, AllowOption::kByPosition},
                    &config_.allowed);
  }

  CommandOutput Run(const CommandContext& context) override {
    config_.cache = cache_;
    config_.features = features_;
    config_.text = text_;
    const PointResult result = RunPoint(config_, context.compute, context.comm);
    CommandOutput output;
    output.text =
        fmt::format("zero-shot:   {}\nTip-Adapter: {}\n",
                    CountsText(result.samples, result.zero_shot.top1, result.zero_shot.top5),
                    CountsText(result.samples, result.test.top1, result.test.top5));
    output.json = {
        {"tuned_on", "none"},
        {"alpha", config_.alpha},
        {"beta", config_.beta},
        {"shots", config_.shots},
        {"subset_seed", config_.seed},
        {"zero_shot", CountsJson(result.samples, result.zero_shot.top1, result.zero_shot.top5)},
        {"test", CountsJson(result.samples, result.test.top1, result.test.top5)}};
    NoteSkipped(context, {cache_, features_}, output);
    NoteOddities(context, result.oddities, output);
    NoteClassesWithoutImages(context, cache_, {features_}, output);
    return output;
  }

 private:
  PointConfig config_;
  std::string cache_, features_, text_;
};

}  // namespace

std::unique_ptr<Command> MakeZeroshotCommand() { return std::make_unique<ZeroshotCommand>(); }
std::unique_ptr<Command> MakeTipCommand() { return std::make_unique<TipCommand>(); }

}  // namespace clipsweep
