#include <fmt/core.h>

#include "launch/command.h"
#include "sweep/sweep_job.h"

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
        ("cache", Required(&cache_), "features of the training images: the keys")
        ("features", Required(&features_), "test features")
        ("text", Required(&text_), "text weights")
        ("alpha", Required(&config_.alpha), "grid lo:hi:step, hi not included")
        ("beta", Required(&config_.beta), "grid lo:hi:step, hi not included")
        ("tune-on", Optional(&config_.tune_on),
         "features that choose alpha and beta; 'test' chooses on the test features and says so everywhere")
        ("shots", Optional(&shots_), "keys per class, as in 1,5,16; all when not given")
        ("subset-seeds", Default(&seeds_), "which keys: one subset a seed, as in 31,32 or 31:41")
        ("partition", Default(&partition_), "how ranks divide the work: samples or grid")
        ("out", Required(&out_), "sweep file to write")
        ("fresh", Switch(&fresh_), "replace an output made otherwise");
    // clang-format on
  }

  void Prepare(const CommonOptions&) override {
    config_.cache = cache_;
    config_.features = features_;
    config_.text = text_;
    config_.out = out_;
    if (fresh_) config_.if_present = IfPresent::kRecompute;
    if (!shots_.empty()) config_.shots = ParseIntegers(shots_, "--shots", 1);
    config_.seeds = ParseIntegers(seeds_, "--subset-seeds", 0);
    config_.partition = ParsePartition(partition_);
  }

  CommandOutput Run(const CommandContext& context) override {
    const SweepResult result = RunSweep(config_, context.compute, context.comm);
    CommandOutput output;
    output.text =
        fmt::format("{}: {} grid points, tuned on {}{}\nzero-shot: {}\n", out_, result.points,
                    result.tuned_on, result.reused_output ? "; up to date already" : "",
                    CountsText(result.test_samples, result.zero_shot.top1, result.zero_shot.top5));
    Json cells = Json::array();
    for (const SweepCell& cell : result.cells) {
      output.text += fmt::format("{:>3} shots, seed {}: alpha {:.6g} beta {:.6g}: {}{}\n",
                                 cell.shots, cell.seed, cell.alpha, cell.beta,
                                 CountsText(result.test_samples, cell.test.top1, cell.test.top5),
                                 TunedLabel(result.tuned_on));
      cells.push_back({{"shots", cell.shots},
                       {"subset_seed", cell.seed},
                       {"alpha", cell.alpha},
                       {"beta", cell.beta},
                       {"tune", CountsJson(result.tune_samples, cell.tuned.top1, cell.tuned.top5)},
                       {"test", CountsJson(result.test_samples, cell.test.top1, cell.test.top5)}});
    }
    const SweepCell& last = result.cells.back();
    output.json = {{"out", out_},
                   {"tuned_on", result.tuned_on},
                   {"grid_points", result.points},
                   {"up_to_date", result.reused_output},
                   {"zero_shot",
                    CountsJson(result.test_samples, result.zero_shot.top1, result.zero_shot.top5)},
                   {"cells", cells},
                   {"test", CountsJson(result.test_samples, last.test.top1,
                                       last.test.top5)},  // of the last cell
                   {"sha256", result.sha256}};
    return output;
  }

 private:
  bool fresh_ = false;
  SweepConfig config_;
  std::string cache_, features_, text_, out_, shots_, seeds_ = "1", partition_ = "samples";
};

}  // namespace

std::unique_ptr<Command> MakeSweepCommand() { return std::make_unique<SweepCommand>(); }

}  // namespace clipsweep
