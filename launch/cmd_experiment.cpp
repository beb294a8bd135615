#include <fmt/core.h>

#include <algorithm>

#include "common/atomic_file.h"
#include "launch/command.h"
#include "launch/experiment.h"

namespace clipsweep {
namespace {

std::string Percent(const MeanInterval& interval, std::size_t seeds) {
  if (seeds < 2) return fmt::format("{:6.2f}        ", 100 * interval.mean);
  return fmt::format("{:6.2f} ± {:<5.2f}", 100 * interval.mean, 100 * interval.half_width);
}

std::string Table(const ExperimentResult& result, std::size_t seeds) {
  std::string text = fmt::format(
      "{} classes, {} test images; alpha, beta and epoch chosen on {}; mean ± 95 % over {} subset "
      "seeds\n\n"
      "{:<14} {:>6}   {:<15}  {:<15}\n",
      result.classes, result.test_samples, result.tuned_on, seeds, "method", "shots", "top-1 %",
      "top-5 %");
  for (const MethodRow& row : result.rows) {
    text += fmt::format("{:<14} {:>6}   {}  {}\n", row.method, row.shots,
                        Percent(Summarize(row.top1), row.top1.size()),
                        Percent(Summarize(row.top5), row.top5.size()));
  }
  return text;
}

Json RowsJson(const ExperimentResult& result) {
  Json rows = Json::array();
  for (const MethodRow& row : result.rows) {
    const MeanInterval top1 = Summarize(row.top1), top5 = Summarize(row.top5);
    rows.push_back({{"method", row.method},
                    {"shots", row.shots},
                    {"top1_accuracy", row.top1},
                    {"top5_accuracy", row.top5},
                    {"top1_mean", top1.mean},
                    {"top1_half_width_95", top1.half_width},
                    {"top5_mean", top5.mean},
                    {"top5_half_width_95", top5.half_width}});
  }
  return rows;
}

Json CellsJson(const ExperimentResult& result) {
  Json cells = Json::array();
  for (std::size_t i = 0; i < result.cells.size(); ++i) {
    const SweepCell& cell = result.cells[i];
    const FinetuneResult& adapter = result.adapters[i];
    cells.push_back(
        {{"shots", cell.shots},
         {"subset_seed", cell.seed},
         {"alpha", cell.alpha},
         {"beta", cell.beta},
         {"tip_adapter", CountsJson(result.test_samples, cell.test.top1, cell.test.top5)},
         {"tip_adapter_f", CountsJson(adapter.samples, adapter.test.top1, adapter.test.top5)},
         {"tip_adapter_f_epoch", adapter.selected_epoch}});
  }
  return cells;
}

class ExperimentCommand final : public Command {
 public:
  std::string name() const override { return "experiment"; }
  std::string summary() const override {
    return "extract, text, zero-shot, sweep and fine-tune for all shots and seeds, with a table";
  }
  std::string example() const override {
    return "mpirun -np 2 clipsweep experiment --config launch/imagenet-rn50.ini --run "
           "runs/imagenet";
  }

  void AddOptions(boost::program_options::options_description& options) override {
    // clang-format off
    AddModelOptions(options, &config_.model);
    options.add_options()
        ("train", Required(&train_), "image folder of the keys: one sub-folder per class")
        ("val", Optional(&val_), "image folder that chooses alpha, beta and epoch")
        ("test", Required(&test_), "image folder that is measured")
        ("classnames", Required(&classnames_), "class names: lines or JSON, see docs/file-formats.md")
        ("templates", Default(&config_.templates), "imagenet-1, imagenet-7, imagenet-80 or a file")
        ("shots", Default(&shots_), "keys per class, as in 1,5,16")
        ("subset-seeds", Default(&seeds_), "which keys: one subset a seed, as in 31,32 or 31:41")
        ("alpha", Default(&config_.alpha), "grid lo:hi:step, hi not included")
        ("beta", Default(&config_.beta), "grid lo:hi:step, hi not included")
        ("tune", Default(&config_.tune), "what chooses alpha, beta and epoch: val, or test (labelled)")
        ("views", Default(&config_.views), "augmented views of the training images, 1 for none")
        ("epochs", Default(&config_.epochs), "of Tip-Adapter-F")
        ("batch", Default(&config_.batch), "of Tip-Adapter-F")
        ("lr", Default(&config_.lr), "of Tip-Adapter-F")
        ("fresh", Switch(&config_.fresh), "make everything anew")
        ("run", Required(&run_), "folder for every file of the run; up-to-date ones are kept");
    // clang-format on
    bad_images_.Add(options);
  }

  void Prepare(const CommonOptions& common) override {
    config_.skip_bad_images = bad_images_.skip();
    config_.max_bad = bad_images_.most();
    config_.train = train_;
    config_.val = val_;
    config_.test = test_;
    config_.classnames = classnames_;
    config_.run = run_;
    config_.seed = common.seed;
    config_.shots = ParseIntegers(shots_, "--shots", 1);
    config_.seeds = ParseIntegers(seeds_, "--subset-seeds", 0);
  }

  CommandOutput Run(const CommandContext& context) override {
    const ExperimentResult result = RunExperiment(config_, context.compute, context.comm);
    CommandOutput output;
    output.text = Table(result, config_.seeds.size()) + fmt::format("\nrun folder: {}\n", run_);
    const MethodRow& last = result.rows.back();
    Json stages = Json::object();
    for (const auto& [stage, seconds] : result.stage_seconds) stages[stage] = seconds;
    const auto count = [&](double fraction) {
      return static_cast<std::int64_t>(fraction * static_cast<double>(result.test_samples) + 0.5);
    };
    output.json = {{"run", run_},
                   {"tuned_on", result.tuned_on},
                   {"classes", result.classes},
                   {"rows", RowsJson(result)},
                   {"cells", CellsJson(result)},
                   {"stage_seconds", stages},
                   // the last method at the last shot count and seed
                   {"test", CountsJson(result.test_samples, count(last.top1.back()),
                                       count(last.top5.back()))}};
    std::vector<std::string> feature_files;
    for (const char* split : {"train.h5", "val.h5", "test.h5"}) {
      if (split != std::string("val.h5") || result.tuned_on != "test") {
        feature_files.push_back((config_.run / split).string());
      }
    }
    NoteSkipped(context, feature_files, output);
    if (context.comm.is_root()) {
      Json kept = output.json;
      kept.erase("stage_seconds");
      kept.erase("run");
      if (kept["skipped_images"].empty()) kept.erase("skipped_images");
      WriteFileAtomically(config_.run / "results.json", kept.dump(1) + "\n");
      WriteFileAtomically(config_.run / "table.txt", Table(result, config_.seeds.size()));
    }
    return output;
  }

 private:
  ExperimentConfig config_;
  BadImageOptions bad_images_;
  std::string train_, val_, test_, classnames_, run_, shots_ = "1,5,16", seeds_ = "1:6";
};

}  // namespace

std::unique_ptr<Command> MakeExperimentCommand() { return std::make_unique<ExperimentCommand>(); }

}  // namespace clipsweep
