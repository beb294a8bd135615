// verify, inspect and tokenize: looking at files, models and text.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <functional>
#include <map>

#include "common/adapter_file.h"
#include "common/error.h"
#include "common/feature_file.h"
#include "common/log.h"
#include "common/text_file.h"
#include "extract/checkpoint.h"
#include "extract/shard_store.h"
#include "launch/command.h"
#include "sweep/sweep_job.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;

// Every kind of sealed file and the reader that checks all of it.
const std::map<std::string, std::function<void(const fs::path&)>>& Readers() {
  static const std::map<std::string, std::function<void(const fs::path&)>> readers = {
      {kFeatureFormat, [](const fs::path& path) { ReadFeatureFile(path); }},
      {kTextFormat, [](const fs::path& path) { ReadTextFile(path); }},
      {kSweepFormat, [](const fs::path& path) { ReadSweepFile(path); }},
      {kAdapterFormat, [](const fs::path& path) { ReadAdapterFile(path); }},
      {kShardFormat, [](const fs::path& path) { CheckHeader(H5Reader(path), kShardFormat); }}};
  return readers;
}

// Checks one file; returns its format. Throws InputError.
std::string VerifyFile(const fs::path& path) {
  const std::string format = FormatOf(H5Reader(path));
  const auto reader = Readers().find(format);
  if (reader == Readers().end()) {
    throw InputError(fmt::format("{}: is of no format clipsweep knows ('{}')", path.string(),
                                 Printable(format)));
  }
  reader->second(path);
  return format;
}

class VerifyCommand final : public Command {
 public:
  std::string name() const override { return "verify"; }
  std::string summary() const override {
    return "check that every byte of a file is what was written";
  }
  std::string example() const override { return "clipsweep verify train.h5 text.h5 sweep.h5"; }
  std::string positional() const override { return "file"; }

  void AddOptions(boost::program_options::options_description& options) override {
    options.add_options()("file", Required(&files_), "files to check");
  }

  CommandOutput Run(const CommandContext& context) override {
    CommandOutput output;
    Agree(context.comm, [&] {
      if (context.comm.is_root()) output = VerifyAll();
    });
    return output;
  }

 private:
  CommandOutput VerifyAll() const {
    CommandOutput output;
    output.json["files"] = Json::array();
    std::string first_failure;
    int damaged = 0;
    for (const std::string& file : files_) {
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
      if (files_.size() > 1) {
        std::fputs(output.text.c_str(), stdout);
        throw InputError(fmt::format("verify: {} of {} files are damaged; first: {}", damaged,
                                     files_.size(), first_failure));
      }
      throw InputError(first_failure);
    }
    return output;
  }

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

  void AddOptions(boost::program_options::options_description& options) override {
    options.add_options()("target", Required(&target_),
                          "a clipsweep file, a checkpoint, or a model's name");
    options.add_options()(
        "trust-checkpoint", Switch(&model_.trusted),
        "open a TorchScript archive that is not one of OpenAI's; it can run code");
  }

  CommandOutput Run(const CommandContext& context) override {
    CommandOutput output;
    Agree(context.comm, [&] {
      if (!context.comm.is_root()) return;
      output = fs::path(target_).extension() == ".h5" ? InspectFile() : InspectModel();
    });
    return output;
  }

 private:
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
    const std::unique_ptr<Checkpoint> opened = OpenCheckpoint(model_);
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
    output.json = {{"model", config.name},
                   {"parameters", checkpoint.parameters()},
                   {"input_resolution", config.image_size},
                   {"context_length", config.context_length},
                   {"vocab_size", config.vocab_size},
                   {"embed_dim", config.embed_dim},
                   {"activation", checkpoint.ActivationName()},
                   {"sha256", checkpoint.sha256()}};
    return output;
  }

  std::string target_;
  ModelOptions model_;
};

}  // namespace

std::unique_ptr<Command> MakeVerifyCommand() { return std::make_unique<VerifyCommand>(); }
std::unique_ptr<Command> MakeInspectCommand() { return std::make_unique<InspectCommand>(); }

}  // namespace clipsweep
