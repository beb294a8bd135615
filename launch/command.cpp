#include "launch/command.h"

#include <fmt/core.h>

namespace clipsweep {

std::vector<std::unique_ptr<Command>> AllCommands() {
  std::vector<std::unique_ptr<Command>> commands;
  for (const auto make :
       {MakeExtractCommand, MakeTextCommand, MakeZeroshotCommand, MakeTipCommand, MakeSweepCommand,
        MakeFinetuneCommand, MakePredictCommand, MakeSimilarityCommand, MakeExperimentCommand,
        MakeVerifyCommand, MakeInspectCommand, MakeTokenizeCommand}) {
    commands.push_back(make());
  }
  return commands;
}

Json CountsJson(std::int64_t samples, std::int64_t top1, std::int64_t top5) {
  const auto fraction = [&](std::int64_t right) {
    return samples > 0 ? static_cast<double>(right) / static_cast<double>(samples) : 0.0;
  };
  return {{"samples", samples},
          {"top1", top1},
          {"top5", top5},
          {"top1_accuracy", fraction(top1)},
          {"top5_accuracy", fraction(top5)}};
}

std::string CountsText(std::int64_t samples, std::int64_t top1, std::int64_t top5) {
  const auto percent = [&](std::int64_t right) {
    return 100.0 * static_cast<double>(right) / static_cast<double>(samples);
  };
  return fmt::format("top-1 {} of {} = {:.2f} %, top-5 {} = {:.2f} %", top1, samples, percent(top1),
                     top5, percent(top5));
}

std::string TunedLabel(const std::string& tuned_on) {
  return tuned_on == "none" ? "" : fmt::format(" (tuned on {})", tuned_on);
}

void AddModelOptions(boost::program_options::options_description& options, ModelOptions* target) {
  // clang-format off
  options.add_options()
      ("model", Required(&target->model), "checkpoint file or folder, or a name such as RN50 or ViT-B/32 found in "
       "$CLIPSWEEP_MODELS or ~/.cache/clip")
      ("activation", Default(&target->activation), "auto (what the checkpoint's configuration says), quickgelu or gelu")
      ("precision", Default(&target->precision), "of the encoders' arithmetic: f32, f16 or bf16")
      ("trust-checkpoint", Switch(&target->trusted), "open a TorchScript archive that is not one of OpenAI's; it can run code");
  // clang-format on
}

}  // namespace clipsweep
