#include <fmt/core.h>

#include <map>

#include "common/data/statistics.h"
#include "common/disk/text_output.h"
#include "common/process/error.h"
#include "launch/commands/all_commands.h"
#include "launch/options/path_options.h"
#include "launch/options/stage_options.h"
#include "launch/pages/sweep_report.h"
#include "sweep/sweep_file.h"

namespace clipsweep {
namespace {

class SweepCommand final : public Command {
 public:
  std::string name() const override { return "sweep"; }
  std::string summary() const override {
    return "Tip-Adapter over a whole alpha x beta grid -> sweep.h5";
  }
  std::string example() const override {
    return "mpirun -np 2 clipsweep sweep --cache train.h5 --features test.h5 --text text.h5 "
           "--tune-on val.h5 "
           "--alpha 0.5:2.5:0.02 --beta 3:7:0.1 --shots 1,5,16 --subset-seeds 31:36 --out sweep.h5";
  }

  void AddOptions(boost::program_options::options_description& options) override {
    // clang-format off
    options.add_options()
        ("cache", InputPath(&cache_), "features of the training images: the keys")
        ("adapter", InputPath(&adapter_), "trained keys (and text) of finetune instead of a cache")
        ("features", InputPath(&features_)->required(), "test features")
        ("text", InputPath(&text_)->required(), "text weights")
        ("tune-on", InputPath(&tune_on_),
         "features that choose alpha and beta; 'split' holds out min(shots, 4) images a class of the cache "
         "(seeded by --seed, keys of no subset); 'test' chooses on the test features and says so everywhere")
        ("shots", Optional(&shots_), "keys per class, as in 1,5,16; all when not given")
        ("subset-seeds", Default(&seeds_), "which keys: one subset a seed, as in 31,32 or 31:41")
        ("subset-file", InputPath(&subset_files_)->composing(),
         "instead of seeds: keys listed by class in a JSON or TSV file; give it once a subset")
        ("out", OutputPath(&out_, SealedOutput("sweep file", kSweepFormat))->required(), "sweep file to write")
        ("csv", OutputPath(&csv_, TextOutputOf("table of a sweep", "shots,subset_seed,alpha,beta,")), "also write every grid point as CSV")
        ("html", OutputPath(&html_, PageOutput()), "also write heat maps of the grid as a page")
        ("resume", Switch(&config_.resume), "take up the blocks that an interrupted sweep saved in OUT.parts")
        ("fresh", Switch(&fresh_), "replace an output made otherwise, drop saved blocks");
    // clang-format on
    stage_.Add(options);
    save_every_.Add(options, "seconds between savings of finished blocks; 0: save none");
    AddAllowOptions(options, {AllowOption::kMixed, AllowOption::kOverlap, AllowOption::kByPosition},
                    &config_.allowed);
  }

  void Prepare(const CommonOptions& common) override {
    static_cast<SweepSettings&>(config_) = stage_.Take();
    config_.tune = ParseTuneOn(tune_on_);
    config_.split_seed = static_cast<std::uint64_t>(common.seed);
    config_.subset_files.assign(subset_files_.begin(), subset_files_.end());
    if (!subset_files_.empty() && seeds_ != "1") {
      throw UsageError("--subset-file: names the keys itself; leave --subset-seeds out");
    }
    config_.cache = cache_;
    config_.adapter = adapter_;
    if (!adapter_.empty() && seeds_ != "1")
      throw UsageError("--adapter: its keys are given; leave --subset-seeds out");
    config_.features = features_;
    config_.text = text_;
    config_.out = out_;
    if (fresh_) config_.if_present = IfPresent::kRecompute;
    if (!shots_.empty()) config_.shots = ParseIntegers(shots_, "--shots", 1);
    config_.seeds = ParseIntegers(seeds_, "--subset-seeds", 0);
    save_every_.Take(config_.save_every);
    if (fresh_ && config_.resume)
      throw UsageError("--resume: contradicts --fresh; give one of them");
  }

  CommandOutput Run(const CommandContext& context) override {
    const SweepResult result = RunSweep(config_, context.compute, context.comm);
    Agree(context.comm, [&] {
      if (context.comm.is_root()) WriteReports();
    });
    CommandOutput output;
    output.text = fmt::format(
        "{}: {} grid points, tuned on {}{}\nzero-shot: {}\n", out_, result.points,
        TunedOnName(result.tuned_on), result.reused_output ? "; up to date already" : "",
        CountsText(result.test_samples, result.zero_shot.top1, result.zero_shot.top5));
    Json cells = Json::array();
    for (const SweepCell& cell : result.cells) {
      output.text +=
          fmt::format("{:>3} shots, {} {}: alpha {:.6g} beta {:.6g}: {}{}\n", cell.shots,
                      subset_files_.empty() ? "seed" : "subset", cell.seed, cell.alpha, cell.beta,
                      CountsText(result.test_samples, cell.test.top1, cell.test.top5),
                      TunedLabel(result.tuned_on));
      Json entry = {{"shots", cell.shots},
                    {"subset_seed", cell.seed},
                    {"alpha", cell.alpha},
                    {"beta", cell.beta},
                    {"tune", CountsJson(result.tune_samples, cell.tuned.top1, cell.tuned.top5)},
                    {"test", CountsJson(result.test_samples, cell.test.top1, cell.test.top5)}};
      if (cell.exact) {
        entry["exact"] = {{"beta", cell.exact_beta},
                          {"alpha_low", cell.exact->low},
                          {"alpha_high", cell.exact->high},
                          {"tune_top1", cell.exact->top1}};
      }
      cells.push_back(std::move(entry));
    }
    Json summary = Json::array();
    for (const ShotsSummary& row : SummarizeCells(result)) {
      const auto or_null = [](const std::optional<double>& value) {
        return value ? Json(*value) : Json();
      };
      if (row.top1.half_width && row.top5.half_width) {
        output.text += fmt::format(
            "{:>3} shots: top-1 {:.2f} \u00b1 {:.2f} %, top-5 {:.2f} \u00b1 {:.2f} % (mean and 95 "
            "% "
            "interval of {} subsets){}\n",
            row.shots, 100 * row.top1.mean, 100 * *row.top1.half_width, 100 * row.top5.mean,
            100 * *row.top5.half_width, row.subsets, TunedLabel(result.tuned_on));
      }
      summary.push_back({{"shots", row.shots},
                         {"subsets", row.subsets},
                         {"top1_mean", row.top1.mean},
                         {"top1_half_width", or_null(row.top1.half_width)},
                         {"top5_mean", row.top5.mean},
                         {"top5_half_width", or_null(row.top5.half_width)}});
    }
    const SweepCell& last = result.cells.back();
    output.json = {{"out", out_},
                   {"tuned_on", TunedOnName(result.tuned_on)},
                   {"grid_points", result.points},
                   {"up_to_date", result.reused_output},
                   {"resumed_items", result.resumed_items},
                   {"zero_shot",
                    CountsJson(result.test_samples, result.zero_shot.top1, result.zero_shot.top5)},
                   {"cells", cells},
                   {"summary", summary},
                   {"test", CountsJson(result.test_samples, last.test.top1,
                                       last.test.top5)},  // of the last cell
                   {"sha256", result.sha256}};
    const std::string tune = config_.tune.features.string();
    NoteSkipped(context, {cache_, features_, tune}, output);
    NoteOddities(context, result.oddities, output);
    NoteClassesWithoutImages(context, cache_.empty() ? adapter_ : cache_, {features_, tune},
                             output);
    return output;
  }

 private:
  struct ShotsSummary {
    std::int64_t shots, subsets;
    MeanInterval top1, top5;  // test accuracy as fractions of 1
  };

  // Subsets that are all keys are one, whatever their seeds.
  static std::vector<ShotsSummary> SummarizeCells(const SweepResult& result) {
    std::map<std::int64_t, std::pair<std::vector<double>, std::vector<double>>> by_shots;
    const auto samples = static_cast<double>(result.test_samples);
    for (const SweepCell& cell : result.cells) {
      auto& [top1, top5] = by_shots[cell.shots];
      if (!top1.empty() && cell.shots == result.most_keys) continue;
      top1.push_back(static_cast<double>(cell.test.top1) / samples);
      top5.push_back(static_cast<double>(cell.test.top5) / samples);
    }
    std::vector<ShotsSummary> rows;
    for (const auto& [shots, values] : by_shots) {
      rows.push_back({shots, static_cast<std::int64_t>(values.first.size()),
                      Summarize(values.first), Summarize(values.second)});
    }
    return rows;
  }

  // From the file, so that an output found up to date gives them too.
  void WriteReports() const {
    if (csv_.empty() && html_.empty()) return;
    const SweepData data = ReadSweepData(out_);
    if (!csv_.empty()) WriteSweepCsv(csv_, data);
    if (!html_.empty()) WriteTextOutput(html_, HeatMapPage(data));
  }

  bool fresh_ = false;
  SaveEveryOption save_every_{30};
  SweepStageOptions stage_;
  SweepConfig config_;
  std::string cache_, adapter_, features_, tune_on_, text_, out_, csv_, html_, shots_, seeds_ = "1";
  std::vector<std::string> subset_files_;
};

}  // namespace

std::unique_ptr<Command> MakeSweepCommand() { return std::make_unique<SweepCommand>(); }

}  // namespace clipsweep
