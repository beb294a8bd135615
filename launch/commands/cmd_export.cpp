// export: files of clipsweep become arrays of other programs.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <filesystem>

#include "common/disk/text_output.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "launch/commands/all_commands.h"
#include "launch/convert/export.h"
#include "launch/options/path_options.h"

namespace clipsweep {
namespace {

OutputKind ArrayOutput() {
  OutputKind kind = TextOutputOf("file of arrays (.npy, .npz, .safetensors)", "");
  kind.begins = BeginsAsArrays;
  return kind;
}

class ExportCommand final : public Command {
 public:
  std::string name() const override { return "export"; }
  std::string summary() const override {
    return "features, text, adapters, sweeps -> arrays (.npy, .npz, .safetensors)";
  }
  std::string example() const override {
    return "clipsweep export test.h5 --out test.npz\n"
           "  clipsweep export adapter.h5 --out adapter.safetensors";
  }
  std::string positional() const override { return "source"; }
  bool shares_work() const override { return false; }

  void AddOptions(boost::program_options::options_description& options) override {
    // clang-format off
    options.add_options()
        ("source", InputPath(&source_)->required(), "a clipsweep file")
        ("out", OutputPath(&out_, ArrayOutput())->required(), "file to write; its ending says what: .npy, .npz or .safetensors");
    // clang-format on
  }

  std::vector<PathUse> MoreOutputs() const override {
    if (std::filesystem::path(out_).extension() != ".npy") return {};
    return {{"out", LabelsBeside(out_).string(), PathRole::kOutput, ArrayOutput()}};
  }

  void Prepare(const CommonOptions&) override {
    ExportKindOf(out_);
    if (IsWrittenInPlace(out_)) {
      throw UsageError(
          fmt::format("--out: {} is no place on disk, which a file of arrays needs; "
                      "name a file",
                      Printable(out_)));
    }
  }

  CommandOutput Run(const CommandContext& context) override {
    CommandOutput output;
    Agree(context.comm, [&] {
      if (context.comm.is_root()) output = Describe(RunExport(source_, out_));
    });
    return output;
  }

 private:
  CommandOutput Describe(const ExportResult& result) const {
    CommandOutput output;
    Json arrays = Json::object();
    for (const auto& [name, array] : result.set.arrays) {
      output.text +=
          fmt::format("  {:<16} {} of {}\n", name, ShapeText(array.shape), TypeName(array.type));
      arrays[name] = array.shape;
    }
    if (!result.set.classes.empty()) {
      output.text += fmt::format("  {:<16} {} names\n", "classes", result.set.classes.size());
    }
    for (const std::string& note : result.notes) output.text += note + "\n";
    output.text = fmt::format("{}:\n{}", fmt::join(result.files, ", "), output.text);
    output.json = {{"out", out_},
                   {"files", result.files},
                   {"format", result.set.format},
                   {"arrays", arrays},
                   {"classes", result.set.classes.size()},
                   {"notes", result.notes}};
    return output;
  }

  std::string source_, out_;
};

}  // namespace

std::unique_ptr<Command> MakeExportCommand() { return std::make_unique<ExportCommand>(); }

}  // namespace clipsweep
