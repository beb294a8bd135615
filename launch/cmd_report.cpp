#include <fmt/core.h>

#include <filesystem>

#include "common/atomic_file.h"
#include "common/error.h"
#include "common/log.h"
#include "launch/command.h"
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
        ("run", Required(&run_), "folder of an experiment")
        ("out", Required(&out_), "page to write; the table goes to the same name with .csv")
        ("images", Optional(&images_), "folder of the test images, when it is not where the run found it");
    // clang-format on
  }

  void Prepare(const CommonOptions&) override {
    csv_ = std::filesystem::path(out_).replace_extension(".csv");
    if (csv_ == out_)
      throw UsageError(fmt::format("--out: {} ends as the table does; use .html", out_));
    if (!images_.empty() && !std::filesystem::is_directory(images_)) {
      throw InputError(fmt::format("--images: {} is not a folder", images_));
    }
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
      WriteFileAtomically(out_, page);
      WriteFileAtomically(csv_, ReportCsv(data));
      if (data.gallery && data.gallery->without_picture > 0) {
        LogWarning("{} images of the gallery are not where the run found them; give --images",
                   data.gallery->without_picture);
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
