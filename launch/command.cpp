#include "launch/command.h"

#include <fmt/core.h>

#include <filesystem>

#include "common/error.h"
#include "common/feature_file.h"
#include "common/log.h"

namespace clipsweep {

std::vector<std::unique_ptr<Command>> AllCommands() {
  std::vector<std::unique_ptr<Command>> commands;
  for (const auto make :
       {MakeExtractCommand, MakeTextCommand, MakeZeroshotCommand, MakeTipCommand, MakeSweepCommand,
        MakeFinetuneCommand, MakePredictCommand, MakeSimilarityCommand, MakeExperimentCommand,
        MakeReportCommand, MakeNightlyCommand, MakeVerifyCommand, MakeInspectCommand,
        MakeTokenizeCommand}) {
    commands.push_back(make());
  }
  return commands;
}

Json CountsJson(std::int64_t samples, std::int64_t top1, std::int64_t top5) {
  const auto fraction = [&](std::int64_t right) {
    return samples > 0 ? Json(static_cast<double>(right) / static_cast<double>(samples)) : Json();
  };
  return {{"samples", samples},
          {"top1", top1},
          {"top5", top5},
          {"top1_accuracy", fraction(top1)},
          {"top5_accuracy", fraction(top5)}};
}

std::string CountsText(std::int64_t samples, std::int64_t top1, std::int64_t top5) {
  const auto percent = [&](std::int64_t right) -> std::string {
    if (samples == 0) return "–";
    return fmt::format("{:.2f}", 100.0 * static_cast<double>(right) / static_cast<double>(samples));
  };
  return fmt::format("top-1 {} of {} = {} %, top-5 {} = {} %", top1, samples, percent(top1), top5,
                     percent(top5));
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

void BadImageOptions::Add(boost::program_options::options_description& options) {
  // clang-format off
  options.add_options()
      ("on-bad-image", Default(&on_bad), "an image that cannot be read: fail, or skip and record it")
      ("max-bad", Optional(&max_bad), "with skip: stop when more images than this cannot be read");
  // clang-format on
}

bool BadImageOptions::skip() const {
  if (on_bad == "fail" || on_bad == "skip") return on_bad == "skip";
  throw UsageError(
      fmt::format("--on-bad-image: '{}' is none; use fail or skip", Printable(on_bad)));
}

std::int64_t BadImageOptions::most() const {
  if (!max_bad) return -1;
  if (*max_bad < 0) throw UsageError(fmt::format("--max-bad: {} is not 0 or more", *max_bad));
  if (!skip()) {
    throw UsageError("--max-bad: counts images that are skipped; give --on-bad-image skip too");
  }
  return *max_bad;
}

void NoteSkipped(const CommandContext& context, const std::vector<std::string>& feature_files,
                 CommandOutput& output) {
  if (!context.comm.is_root()) return;
  Json skipped = Json::object();
  std::string note;
  for (const std::string& path : feature_files) {
    if (path.empty() || !std::filesystem::exists(path) || skipped.contains(path)) continue;
    const std::size_t count = ReadSkipped(H5Reader(path, Seal::kCheckedBefore)).size();
    if (count == 0) continue;
    skipped[path] = count;
    note += fmt::format("{}{} of {}", note.empty() ? "" : ", ", count, path);
  }
  if (!note.empty()) output.text += fmt::format("not counted, unreadable images: {}\n", note);
  output.json["skipped_images"] = skipped;
}

}  // namespace clipsweep
