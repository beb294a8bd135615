// verify, inspect and tokenize: looking at files, models and text.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <filesystem>

#include "common/disk/plain_file.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "extract/checkpoints/checkpoint.h"
#include "extract/repair_job.h"
#include "launch/commands/all_commands.h"
#include "launch/commands/verify_file.h"
#include "launch/options/path_options.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;

class VerifyCommand final : public Command {
 public:
  std::string name() const override { return "verify"; }
  std::string summary() const override {
    return "check that every byte of a file is what was written; --repair a damaged extraction";
  }
  std::string example() const override {
    return "clipsweep verify runs/photos\n"
           "  clipsweep verify train.h5 --repair --model RN50.pt --images photos/train";
  }
  std::string positional() const override { return "file"; }
  bool shares_work() const override { return false; }

  void AddOptions(boost::program_options::options_description& options) override {
    // clang-format off
    options.add_options()
        ("file", InputPath(&files_)->required(), "files to check: sealed ones, results.json, run.json, a history; or folders of them, as a run's")
        ("repair", Switch(&repair_), "compute the damaged part of an extraction again, from:")
        ("model", InputPath(&repairs_.job.model.model), "with --repair: the checkpoint it was made with")
        ("images", InputPath(&images_), "with --repair: the image folder it was made from")
        ("list", InputPath(&list_), "with --repair: the list it was made from, if any")
        ("classnames", InputPath(&classnames_), "with --repair: the class names it was made with, if any")
        ("trust-checkpoint", Switch(&repairs_.job.model.trusted), "as for extract");
    // clang-format on
  }

  void Prepare(const CommonOptions&) override {
    if (!repair_) return;
    if (files_.size() != 1) throw UsageError("--repair: takes one file");
    files_[0] = LinkTarget(files_[0]);  // the link stays, what it leads to is replaced
    if (repairs_.job.model.model.empty() || images_.empty()) {
      throw UsageError("--repair: give --model and --images, which the file was made from");
    }
    repairs_.job.out = files_[0];
    repairs_.job.images = images_;
    repairs_.job.list = list_;
    repairs_.job.classnames = classnames_;
  }

  CommandOutput Run(const CommandContext& context) override {
    CommandOutput output;
    std::int64_t repair = 0;
    Agree(context.comm, [&] {
      if (!context.comm.is_root()) return;
      repair = repair_ && !IsWhole(files_[0]) ? 1 : 0;
      if (repair == 0) output = VerifyAll();
    });
    context.comm.Broadcast(std::as_writable_bytes(std::span(&repair, 1)), 0);
    if (repair != 0) return Repair(context);
    context.comm.Broadcast(std::as_writable_bytes(std::span(&output.code, 1)), 0);
    return output;
  }

 private:
  static bool IsWhole(const std::string& file) {
    try {
      VerifyFile(file);
      return true;
    } catch (const Error& error) {
      LogDebug("{}", error.what());
      return false;
    }
  }

  CommandOutput Repair(const CommandContext& context) {
    const RepairResult result = RunRepair(repairs_, context.compute, context.comm);
    CommandOutput output;
    output.text = fmt::format("{}: repaired: {} was damaged; {} of {} shards computed again; {}\n",
                              files_[0], result.damage, result.shards_computed, result.shards,
                              result.identical ? "every byte is what was written"
                                               : "its features are those it was made with");
    output.json = {{"file", files_[0]},
                   {"damage", result.damage},
                   {"shards", result.shards},
                   {"shards_computed", result.shards_computed},
                   {"identical", result.identical}};
    return output;
  }

  CommandOutput VerifyAll() const {
    CommandOutput output;
    output.json["files"] = Json::array();
    const std::vector<std::string> files = FilesToVerify(files_);
    std::string first_failure;
    int damaged = 0;
    for (const std::string& file : files) {
      try {
        const std::string format = VerifyFile(file);
        output.text += fmt::format("{}: whole ({})\n", file, format);
        output.json["files"].push_back({{"file", file}, {"whole", true}, {"format", format}});
      } catch (const Error& error) {
        if (damaged++ == 0) first_failure = error.what();
        output.text += fmt::format("{}\n", error.what());
        output.json["files"].push_back({{"file", file}, {"whole", false}, {"error", error.what()}});
      }
    }
    if (damaged > 0) {
      output.code = ExitCode::kBadInput;
      output.error = files.size() == 1
                         ? first_failure
                         : fmt::format("verify: {} of {} files are damaged; first: {}", damaged,
                                       files.size(), first_failure);
      if (files.size() == 1) output.text.clear();
    }
    return output;
  }

  bool repair_ = false;
  RepairConfig repairs_;
  std::string images_, list_, classnames_;
  std::vector<std::string> files_;
};

class InspectCommand final : public Command {
 public:
  std::string name() const override { return "inspect"; }
  std::string summary() const override {
    return "shapes and provenance of a file, sizes of a model";
  }
  std::string example() const override { return "clipsweep inspect RN50.safetensors"; }
  std::string positional() const override { return "target"; }
  bool shares_work() const override { return false; }

  void AddOptions(boost::program_options::options_description& options) override {
    options.add_options()("target", InputPath(&target_)->required(),
                          "a clipsweep file, a checkpoint, or a model's name");
    options.add_options()(
        "trust-checkpoint", Switch(&model_.trusted),
        "open a TorchScript archive that is not one of OpenAI's; it can run code");
  }

  CommandOutput Run(const CommandContext& context) override {
    CommandOutput output;
    Agree(context.comm, [&] {
      if (!context.comm.is_root()) return;
      output = IsSealed(target_) ? InspectFile() : InspectModel();
    });
    return output;
  }

 private:
  // By its bytes; one of ours that is damaged there is known by its name.
  static bool IsSealed(const std::string& target) {
    std::error_code none;
    if (!fs::is_regular_file(target, none)) return fs::path(target).extension() == ".h5";
    std::string start(kSealWord.size(), '\0');
    start.resize(PlainFile(target).ReadAt(0, start.data(), start.size()));
    return start == kSealWord || fs::path(target).extension() == ".h5";
  }

  CommandOutput InspectFile() const {
    const H5Reader file(target_);
    CommandOutput output;
    output.text = fmt::format("{}\n", target_);
    Json attributes = Json::object(), datasets = Json::object();
    for (const std::string& name : file.AttributeNames()) {
      const bool number = name == "format_version" || !IsText(file, name);
      const std::string value =
          number ? fmt::format("{}", file.DoubleAttribute(name)) : file.TextAttribute(name);
      output.text += fmt::format("  {:<28} {}\n", name, Printable(value));
      attributes[name] = value;
    }
    for (const std::string& name : file.DatasetNames()) {
      const auto shape = file.Shape(name);
      output.text += fmt::format("  {:<28} [{}]\n", name, fmt::join(shape, ", "));
      datasets[name] = shape;
    }
    output.json = {{"file", target_},
                   {"sha256", file.seal()},
                   {"attributes", attributes},
                   {"datasets", datasets}};
    return output;
  }

  static bool IsText(const H5Reader& file, const std::string& name) {
    try {
      file.TextAttribute(name);
      return true;
    } catch (const Error&) {
      return false;
    }
  }

  CommandOutput InspectModel() {
    model_.model = target_;
    const auto opened = OpenCheckpoint(model_);
    const Checkpoint& checkpoint = *opened;
    const ModelConfig& config = checkpoint.config();
    CommandOutput output;
    const std::string layers = config.family == VisionFamily::kResNet
                                   ? fmt::format("{}", fmt::join(config.vision_layers, ", "))
                                   : fmt::format("{}", config.vision_layers[0]);
    output.text = fmt::format(
        "{}\n  architecture      {} ({}, layers {}, width {})\n  parameters        {}\n"
        "  input resolution  {}\n  context length    {}\n  vocabulary        {}\n  features        "
        "  {}\n"
        "  text encoder      {} layers, width {}, {} heads, {}\n  sha256            {}\n",
        checkpoint.path().string(), config.name,
        config.family == VisionFamily::kResNet ? "ResNet" : "ViT", layers, config.vision_width,
        checkpoint.parameters(), config.image_size, config.context_length, config.vocab_size,
        config.embed_dim, config.text_layers, config.text_width, config.text_heads,
        checkpoint.ActivationName(), checkpoint.sha256());
    output.json = {
        {"model", config.name},
        {"parameters", checkpoint.parameters()},
        {"input_resolution", config.image_size},
        {"context_length", config.context_length},
        {"vocab_size", config.vocab_size},
        {"embed_dim", config.embed_dim},
        {"activation", checkpoint.ActivationName()},
        {"encoders", EncodersOf(config)},
        {"preprocess",
         {{"from", checkpoint.pixels_from().empty() ? "CLIP's own" : checkpoint.pixels_from()},
          {"mean", config.mean},
          {"std", config.deviation},
          {"size", config.image_size}}},
        {"remarks", checkpoint.remarks()},
        {"sha256", checkpoint.sha256()}};
    return output;
  }

  static Json EncodersOf(const ModelConfig& config) {
    Json encoders = Json::array();
    if (config.has_vision()) encoders.push_back("image");
    if (config.has_text()) encoders.push_back("text");
    return encoders;
  }

  std::string target_;
  ModelOptions model_;
};

}  // namespace

std::unique_ptr<Command> MakeVerifyCommand() { return std::make_unique<VerifyCommand>(); }
std::unique_ptr<Command> MakeInspectCommand() { return std::make_unique<InspectCommand>(); }

}  // namespace clipsweep
