#include <fmt/core.h>

#include "common/files/feature_file.h"
#include "common/process/error.h"
#include "extract/extract_job.h"
#include "launch/commands/all_commands.h"
#include "launch/options/path_options.h"
#include "launch/options/stage_options.h"

namespace clipsweep {
namespace {

class ExtractCommand final : public Command {
 public:
  std::string name() const override { return "extract"; }
  std::string summary() const override { return "images -> features.h5 with a CLIP image encoder"; }
  std::string example() const override {
    return "mpirun -np 2 clipsweep extract --model RN50.safetensors --images data/train --out "
           "train.h5";
  }

  void AddOptions(boost::program_options::options_description& options) override {
    // clang-format off
    AddModelOptions(options, &config_.model);
    AddPictureOptions(options, &config_.model);
    options.add_options()
        ("images", InputPath(&images_)->required(), "folder with one sub-folder per class")
        ("out", OutputPath(&out_, SealedOutput("feature file", kFeatureFormat))->required(), "feature file to write")
        ("list", InputPath(&list_), "take only these images: lines of path or path<TAB>class")
        ("classnames", InputPath(&classnames_), "fix the classes and their order to those of this file")
        ("fresh", Switch(&fresh_), "replace an output made otherwise");
    // clang-format on
    stage_.Add(options, "batch");
  }

  void Prepare(const CommonOptions& common) override {
    static_cast<ExtractSettings&>(config_) = stage_.Take();
    config_.seed = static_cast<std::uint64_t>(common.seed);
    config_.images = images_;
    config_.out = out_;
    if (fresh_) config_.if_present = IfPresent::kRecompute;
    config_.list = list_;
    config_.classnames = classnames_;
  }

  CommandOutput Run(const CommandContext& context) override {
    const ExtractResult result = RunExtract(config_, context.compute, context.comm);
    CommandOutput output;
    output.text = fmt::format("{}: {} images of {} classes, {} features each{}{}{}\n", out_,
                              result.images, result.classes, result.width,
                              result.views > 1 ? fmt::format(" in {} views", result.views) : "",
                              result.skipped > 0 ? fmt::format(", {} skipped", result.skipped) : "",
                              result.reused_output ? "; up to date already" : "");
    output.json = {{"out", out_},
                   {"images", result.images},
                   {"skipped", result.skipped},
                   {"image_warnings", NotesJson(result.image_warnings)},
                   {"classes", result.classes},
                   {"width", result.width},
                   {"views", result.views},
                   {"shards_computed", result.shards_computed},
                   {"shards_reused", result.shards_reused},
                   {"up_to_date", result.reused_output},
                   {"decode_seconds", result.decode_seconds},
                   {"encode_seconds", result.encode_seconds},
                   {"pipeline_seconds", result.pipeline_seconds},
                   {"duplicates",
                    {{"pictures", result.duplicates.pictures},
                     {"across_classes", result.duplicates.across_classes}}},
                   {"classes_without_images", result.classes_without_images},
                   {"model_remarks", result.model_remarks},
                   {"sha256", result.sha256}};
    if (result.duplicates.pictures > 0) {
      output.json["duplicates"]["example"] = {result.duplicates.example.first,
                                              result.duplicates.example.second};
    }
    NoteLeftOut(result.left_out, output);
    if (result.classes_without_images > 0) {
      output.text += ClassesWithoutImagesText(result.classes_without_images, result.classes) + "\n";
    }
    return output;
  }

 private:
  bool fresh_ = false;
  ExtractStageOptions stage_;
  ExtractConfig config_;
  std::string images_, out_, list_, classnames_;
};

}  // namespace

std::unique_ptr<Command> MakeExtractCommand() { return std::make_unique<ExtractCommand>(); }

}  // namespace clipsweep
