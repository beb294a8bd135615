#include <fmt/core.h>

#include <filesystem>

#include "common/disk/text_output.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "launch/commands/all_commands.h"
#include "launch/experiment/results.h"
#include "launch/options/path_options.h"
#include "launch/report/page.h"

namespace clipsweep {
namespace {

class ReportCommand final : public Command {
 public:
  std::string name() const override { return "report"; }
  std::string summary() const override {
    return "an experiment's run folder as one page to look at, with a CSV beside it";
  }
  std::string example() const override {
    return "clipsweep report --run runs/imagenet --out runs/imagenet/report.html";
  }

  void AddOptions(boost::program_options::options_description& options) override {
    // clang-format off
    options.add_options()
        ("run", InputPath(&run_)->required(), "folder of an experiment")
        ("out", OutputPath(&out_, PageOutput())->required(), "page to write; the table goes to the same name with .csv")
        ("images", InputPath(&images_), "folder of the test images, when it is not where the run found it");
    // clang-format on
  }

  void Prepare(const CommonOptions&) override {
    if (!TableOf(out_).empty() && TableOf(out_) == out_) {
      throw UsageError(fmt::format("--out: {} ends as the table does; use .html", out_));
    }
    csv_ = TableOf(out_);
    if (!images_.empty() && !std::filesystem::is_directory(images_)) {
      throw InputError(fmt::format("--images: {} is not a folder", images_));
    }
  }

  std::vector<PathUse> MoreOutputs() const override {
    if (TableOf(out_).empty()) return {};
    return {{"out", TableOf(out_), PathRole::kOutput,
             TextOutputOf("table of a report", "method,templates,shots,")}};
  }

  CommandOutput Run(const CommandContext& context) override {
    CommandOutput output;
    Agree(context.comm, [&] {
      if (!context.comm.is_root()) return;
      const ReportData data = ReadReportData(run_, images_);
      for (const std::filesystem::path& path : {std::filesystem::path(out_), csv_}) {
        RefuseFileOfRun(data, path);
      }
      const std::string page = ReportPage(data);
      WriteTextOutput(out_, page);
      if (!csv_.empty()) WriteTextOutput(csv_, ReportCsv(data));
      if (data.gallery && data.gallery->without_picture > 0) {
        LogWarning("{} images of the gallery {}; give --images", data.gallery->without_picture,
                   IsFromFeatures(data.results) ? "have no pictures: the run was made from features"
                                                : "are not where the run found them");
      }
      output.text = fmt::format("{}: {} bytes, tuned on {}\n{}\n", out_, page.size(),
                                data.results["tuned_on"].get<std::string>(), csv_.string());
      output.json = {{"out", out_},
                     {"csv", csv_.string()},
                     {"bytes", page.size()},
                     {"tuned_on", data.results["tuned_on"]},
                     {"test", data.results["test"]},
                     {"absent", data.absent}};
    });
    return output;
  }

 private:
  // Beside the page; "" for a page that is no file.
  static std::string TableOf(const std::string& page) {
    if (IsWrittenInPlace(page)) return "";
    return LinkTarget(std::filesystem::path(page).replace_extension(".csv").string());
  }

  // A page in place of the results it shows would be the end of both.
  static void RefuseFileOfRun(const ReportData& data, const std::filesystem::path& path) {
    std::error_code none;
    if (!std::filesystem::equivalent(path, data.folder / path.filename(), none)) return;
    const std::string name = path.filename().string();
    const bool taken = name == "results.json" || name == "run.json" || name == "table.txt" ||
                       data.results["files"].contains(name);
    if (taken)
      throw UsageError(fmt::format("--out: {} is a file of the run; name another", path.string()));
  }

  std::string run_, out_, images_;
  std::filesystem::path csv_;
};

}  // namespace

std::unique_ptr<Command> MakeReportCommand() { return std::make_unique<ReportCommand>(); }

}  // namespace clipsweep
