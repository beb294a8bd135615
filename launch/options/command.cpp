#include "launch/options/command.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <set>

#include "common/files/feature_file.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "launch/options/path_options.h"

namespace clipsweep {

Json NotesJson(const NoteCounts& counts) {
  Json json = Json::object();
  for (std::size_t kind = 0; kind < counts.size(); ++kind) {
    if (counts[kind] > 0) json[kNoteNames[kind]] = counts[kind];
  }
  return json;
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

std::string TunedLabel(TunedOn tuned_on) {
  if (tuned_on == TunedOn::kNone) return "";
  return fmt::format(" (tuned on {})", TunedOnName(tuned_on));
}

void AddModelOptions(boost::program_options::options_description& options, ModelOptions* target,
                     ModelNeed need) {
  auto* model = InputPath(&target->model);
  if (need == ModelNeed::kAlways) model->required();
  // clang-format off
  options.add_options()
      ("model", model, "checkpoint file or folder, or a name such as RN50 or ViT-B/32 found in "
       "$CLIPSWEEP_MODELS or ~/.cache/clip")
      ("activation", Default(&target->activation), "auto (what the checkpoint's configuration says), quickgelu or gelu")
      ("precision", Default(&target->precision), "of the encoders' arithmetic: f32, bf16 (faster where the processor or GPU has it) or f16 (GPUs)")
      ("trust-checkpoint", Switch(&target->trusted), "open a TorchScript archive that is not one of OpenAI's; it can run code");
  // clang-format on
}

namespace {

// A limit there must be: it bounds memory.
void CheckMaxPixels(std::int64_t pixels) {
  constexpr std::int64_t kMost = std::int64_t{1} << 32;
  if (pixels < 1 || pixels > kMost) {
    throw UsageError(fmt::format("--max-pixels: {} is not in 1..{}", pixels, kMost));
  }
}

}  // namespace

void AddPictureOptions(boost::program_options::options_description& options, ModelOptions* target) {
  // clang-format off
  options.add_options()
      ("max-pixels", Default(&target->decode.max_pixels)->notifier(CheckMaxPixels),
       "a picture that claims more is refused, as Pillow refuses it; decoding takes 3 bytes a pixel, some kinds up to 1 GiB more");
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
  throw UsageError(fmt::format("--on-bad-image: '{}' is not one of fail, skip", Printable(on_bad)));
}

std::int64_t BadImageOptions::most() const {
  if (!max_bad) return -1;
  if (*max_bad < 0) throw UsageError(fmt::format("--max-bad: {} is not 0 or more", *max_bad));
  if (!skip()) {
    throw UsageError("--max-bad: counts images that are skipped; give --on-bad-image skip too");
  }
  return *max_bad;
}

void AddAllowOptions(boost::program_options::options_description& options,
                     const std::vector<AllowOption>& which, Allowed* target) {
  // clang-format off
  for (const AllowOption option : which) {
    switch (option) {
      case AllowOption::kMixed:
        options.add_options()("allow-mixed", Switch(&target->mixed), "take files made with different models, activation, preprocessing or precision; every result says so");
        break;
      case AllowOption::kOverlap:
        options.add_options()("allow-overlap", Switch(&target->overlap), "take pictures that are in two of the files; every result says so");
        break;
      case AllowOption::kByPosition:
        options.add_options()("match-by-position", Switch(&target->by_position), "take text rows for classes in file order where no name matches; every result says so");
        break;
    }
  }
  // clang-format on
}

Json OdditiesJson(const Oddities& oddities) {
  Json json = Json::object();
  for (const OddityKind& kind : kOddityKinds) json[kind.name] = oddities.*kind.list;
  return json;
}

std::string OdditiesText(const Oddities& oddities) {
  std::string text;
  for (const OddityKind& kind : kOddityKinds) {
    const auto& sentences = oddities.*kind.list;
    if (sentences.empty()) continue;
    text += fmt::format("{}: {}\n", kind.words, fmt::join(sentences, "; "));
  }
  return text;
}

void NoteOddities(const CommandContext& context, const Oddities& oddities, CommandOutput& output) {
  if (!context.comm.is_root()) return;
  output.text += OdditiesText(oddities);
  output.json["inputs"] = OdditiesJson(oddities);
}

void NoteSkipped(const CommandContext& context, const std::vector<std::string>& feature_files,
                 CommandOutput& output) {
  Agree(context.comm, [&] {
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
  });
}

void NoteLeftOut(const LeftOut& left_out, CommandOutput& output) {
  for (const std::string& line : left_out.Lines()) output.text += line + "\n";
  output.json["skipped_files"] = left_out.files;
  output.json["hidden_entries"] = left_out.hidden;
  output.json["files_beside_classes"] = left_out.beside;
}

std::string ClassesWithoutImagesText(std::int64_t without, std::int64_t classes) {
  return fmt::format("{} of {} classes have no image", without, classes);
}

void NoteClassesWithoutImages(const CommandContext& context, const std::string& classes_of,
                              const std::vector<std::string>& feature_files,
                              CommandOutput& output) {
  Agree(context.comm, [&] {
    if (!context.comm.is_root()) return;
    Json without = Json::object();
    for (const std::string& path : feature_files) {
      if (path.empty() || !std::filesystem::exists(path) || without.contains(path)) continue;
      const H5Reader file(path, Seal::kCheckedBefore);
      const std::vector<std::string> own = file.Texts("classes");
      std::set<std::string> seen;
      for (const std::int32_t label : file.Int32s("labels")) {
        seen.insert(own.at(static_cast<std::size_t>(label)));
      }
      const auto classes = static_cast<std::int64_t>(
          classes_of.empty() ? own.size()
                             : H5Reader(classes_of, Seal::kCheckedBefore).Texts("classes").size());
      const std::int64_t none = classes - static_cast<std::int64_t>(seen.size());
      if (none <= 0) continue;
      without[path] = none;
      output.text += fmt::format("{} in {}\n", ClassesWithoutImagesText(none, classes), path);
    }
    output.json["classes_without_images"] = without;
  });
}

}  // namespace clipsweep
