// import: arrays of other programs become feature and text files.
#include <fmt/core.h>

#include "common/files/feature_file.h"
#include "common/files/text_file.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "launch/commands/all_commands.h"
#include "launch/convert/import.h"
#include "launch/options/path_options.h"

namespace clipsweep {
namespace {

class ImportCommand final : public Command {
 public:
  std::string name() const override { return "import"; }
  std::string summary() const override {
    return "arrays (.npy, .npz, .safetensors, .pt) -> features or text";
  }
  std::string example() const override {
    return "clipsweep import features.npy --as features --labels labels.npy --out test.h5\n"
           "  clipsweep import text.npz --as text --out text.h5\n"
           "  clipsweep import caches/caltech101 --as cache --shots 16 --out cache.h5";
  }
  std::string positional() const override { return "source"; }
  bool shares_work() const override { return false; }

  void AddOptions(boost::program_options::options_description& options) override {
    // What may be replaced is known once --as is: values are told before paths are looked at.
    auto* out = OutputPath(&out_, SealedOutput("feature file", kFeatureFormat));
    const auto set_kind = [role = dynamic_cast<PathOption*>(out)](const std::string& as) {
      if (as == "text") role->kind = SealedOutput("text file", kTextFormat);
    };
    // clang-format off
    options.add_options()
        ("source", InputPath(&source_)->required(), "a file of arrays (.npy, .npz, .safetensors, a tensor of torch.save), or a folder that the official Tip-Adapter wrote")
        ("as", Required(&as_)->notifier(set_kind), "what it becomes: cache, features or text")
        ("part", Optional(&config_.part), "of a folder with --as features: val or test")
        ("shots", Optional(&shots_), "of a folder: which keys_Kshots.pt, where there are several")
        ("labels", InputPath(&labels_), "file of labels, [N] whole numbers from 0 or [N, C] with one 1 a row")
        ("classnames", InputPath(&classnames_), "names of the classes, as for text; else those in the file, else class-0000 ..")
        ("classes-of", InputPath(&classes_of_), "keep only the classes whose numbers are this .npz's class_index, in that order")
        ("layout", Optional(&layout_), "CxD or NxD: a row for each class or image; DxC or DxN: a column; needed where both fit")
        ("key", Optional(&config_.key), "the array to take from an .npz or .safetensors; else features, keys or text")
        ("out", out->required(), "file to write")
        ("fresh", Switch(&config_.fresh), "replace an output made otherwise");
    // clang-format on
  }

  void Prepare(const CommonOptions&) override {
    if (as_ == "cache") {
      config_.as = ImportAs::kCache;
    } else if (as_ == "features") {
      config_.as = ImportAs::kFeatures;
    } else if (as_ == "text") {
      config_.as = ImportAs::kText;
    } else {
      throw UsageError(
          fmt::format("--as: '{}' is not one of cache, features, text", Printable(as_)));
    }
    if (shots_) config_.shots = *shots_;
    config_.layout = ParseLayout(layout_);
    config_.source = source_;
    config_.labels = labels_;
    config_.classnames = classnames_;
    config_.classes_of = classes_of_;
    config_.out = out_;
  }

  CommandOutput Run(const CommandContext& context) override {
    CommandOutput output;
    Agree(context.comm, [&] {
      if (context.comm.is_root()) output = Describe(RunImport(config_));
    });
    return output;
  }

 private:
  CommandOutput Describe(const ImportResult& result) const {
    CommandOutput output;
    const bool text = config_.as == ImportAs::kText;
    for (const std::string& note : result.notes) output.text += note + "\n";
    if (result.rows_left_out > 0) {
      output.text +=
          fmt::format("{} rows are of other classes and left out\n", result.rows_left_out);
    }
    output.text += text ? fmt::format("{}: {} classes, {} wide", out_, result.classes, result.width)
                        : fmt::format("{}: {} images of {} classes, {} wide", out_, result.rows,
                                      result.classes, result.width);
    output.text += result.reused_output ? "; up to date already\n" : "\n";
    output.json = {{"out", out_},
                   {"as", as_},
                   {"rows", result.rows},
                   {"width", result.width},
                   {"classes", result.classes},
                   {"rows_left_out", result.rows_left_out},
                   {"notes", result.notes},
                   {"up_to_date", result.reused_output},
                   {"sha256", result.sha256}};
    if (text) output.json["text_norm"] = result.text_norm;
    return output;
  }

  ImportConfig config_;
  boost::optional<int> shots_;
  std::string source_, as_, labels_, classnames_, classes_of_, layout_, out_;
};

}  // namespace

std::unique_ptr<Command> MakeImportCommand() { return std::make_unique<ImportCommand>(); }

}  // namespace clipsweep
