#include <fmt/core.h>

#include "common/files/text_file.h"
#include "extract/text_job.h"
#include "launch/commands/all_commands.h"
#include "launch/options/path_options.h"

namespace clipsweep {
namespace {

class TextCommand final : public Command {
 public:
  std::string name() const override { return "text"; }
  std::string summary() const override {
    return "class names x templates -> text.h5, the zero-shot weights";
  }
  std::string example() const override {
    return "clipsweep text --model RN50.safetensors --classnames classnames.txt --templates "
           "imagenet-7 "
           "--out text.h5";
  }

  void AddOptions(boost::program_options::options_description& options) override {
    // clang-format off
    AddModelOptions(options, &config_.model);
    options.add_options()
        ("classnames", InputPath(&classnames_)->required(), "class names: lines or JSON, see docs/file-formats.md")
        ("templates", InputPath(&config_.templates)->default_value(config_.templates),
         "imagenet-1, imagenet-7, imagenet-80, or a file with one template a line")
        ("out", OutputPath(&out_, SealedOutput("text file", kTextFormat))->required(), "text file to write")
        ("fresh", Switch(&fresh_), "replace an output made otherwise");
    // clang-format on
  }

  void Prepare(const CommonOptions&) override {
    config_.classnames = classnames_;
    config_.out = out_;
    if (fresh_) config_.if_present = IfPresent::kRecompute;
  }

  CommandOutput Run(const CommandContext& context) override {
    const TextResult result = RunText(config_, context.compute, context.comm);
    CommandOutput output;
    output.text = fmt::format("{}: {} classes x {} templates, {} wide{}\n", out_, result.classes,
                              result.templates, result.width,
                              result.reused_output ? "; up to date already" : "");
    output.json = {{"out", out_},
                   {"classes", result.classes},
                   {"templates", result.templates},
                   {"width", result.width},
                   {"up_to_date", result.reused_output},
                   {"model_remarks", result.model_remarks},
                   {"sha256", result.sha256}};
    if (!result.shared_names.empty()) output.json["shared_names"] = result.shared_names;
    return output;
  }

 private:
  bool fresh_ = false;
  TextConfig config_;
  std::string classnames_, out_;
};

}  // namespace

std::unique_ptr<Command> MakeTextCommand() { return std::make_unique<TextCommand>(); }

}  // namespace clipsweep
