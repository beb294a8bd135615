#include <fmt/core.h>

#include <cmath>

#include "common/process/error.h"
#include "finetune/finetune_job.h"
#include "launch/commands/all_commands.h"
#include "launch/options/path_options.h"
#include "launch/options/stage_options.h"

namespace clipsweep {
namespace {

class FinetuneCommand final : public Command {
 public:
  std::string name() const override { return "finetune"; }
  std::string summary() const override {
    return "train the keys (Tip-Adapter-F) on stored features -> adapter.h5";
  }
  std::string example() const override {
    return "mpirun -np 2 clipsweep finetune --cache train.h5 --features test.h5 --text text.h5 "
           "--sweep sweep.h5 --shots 16 --subset-seed 31 --select val --val val.h5 --out "
           "adapter.h5";
  }

  void AddOptions(boost::program_options::options_description& options) override {
    // clang-format off
    options.add_options()
        ("cache", InputPath(&cache_)->required(), "features of the training images: the keys and the samples")
        ("features", InputPath(&features_)->required(), "test features")
        ("text", InputPath(&text_)->required(), "text weights")
        ("alpha", Optional(&config_.alpha), "weight of the cache, 0 or more")
        ("beta", Optional(&config_.beta), "sharpness of the cache, 0 or more")
        ("sweep", InputPath(&sweep_), "take alpha and beta from this sweep's cell instead")
        ("shots", Default(&config_.shots), "keys per class, 0 for all")
        ("subset-seed", Default(&config_.subset_seed), "which keys, when fewer than all")
        ("val", InputPath(&val_), "validation features, for --select val")
        ("out", OutputPath(&out_, SealedOutput("adapter file", kAdapterFormat))->required(), "adapter file to write")
        ("resume", Switch(&config_.resume), "go on with the training that an interruption left in OUT.parts")
        ("fresh", Switch(&fresh_), "replace an output made otherwise, drop what was saved");
    // clang-format on
    stage_.Add(options);
    save_every_.Add(options, "seconds between savings, at the ends of epochs; 0: none");
    AddAllowOptions(options, {AllowOption::kMixed, AllowOption::kOverlap, AllowOption::kByPosition},
                    &config_.allowed);
  }

  void Prepare(const CommonOptions& common) override {
    config_.cache = cache_;
    config_.features = features_;
    config_.text = text_;
    config_.sweep = sweep_;
    config_.val = val_;
    config_.out = out_;
    if (fresh_) config_.if_present = IfPresent::kRecompute;
    static_cast<TrainSettings&>(config_) = stage_.Take(Select::kLast);
    save_every_.Take(config_.save_every);
    if (fresh_ && config_.resume)
      throw UsageError("--resume: contradicts --fresh; give one of them");
    config_.seed = common.seed;
    if (!sweep_.empty() && (config_.alpha != -1 || config_.beta != -1)) {
      throw UsageError("--sweep: gives alpha and beta; leave out --alpha and --beta");
    }
    if (sweep_.empty() && (config_.alpha == -1 || config_.beta == -1)) {
      throw UsageError("--alpha and --beta: give both, or a sweep file with --sweep");
    }
  }

  CommandOutput Run(const CommandContext& context) override {
    const FinetuneResult result = RunFinetune(config_, context.compute, context.comm);
    CommandOutput output;
    output.text = fmt::format(
        "{}: {} keys, epoch {} of {} kept, last loss {:.4f}{}\nzero-shot:     {}\nTip-Adapter:   "
        "{}\n"
        "Tip-Adapter-F: {}{}\n",
        out_, result.keys, result.selected_epoch, result.history.size(), result.history.back().loss,
        result.reused_output ? "; up to date already" : "",
        CountsText(result.samples, result.zero_shot.top1, result.zero_shot.top5),
        CountsText(result.samples, result.before.top1, result.before.top5),
        CountsText(result.samples, result.test.top1, result.test.top5),
        TunedLabel(result.tuned_on));
    Json history = Json::array();
    for (const EpochRecord& epoch : result.history) {
      Json entry = {{"loss", epoch.loss}};
      if (result.select_samples > 0) {
        entry["select"] = CountsJson(result.select_samples, epoch.select_top1, epoch.select_top5);
      }
      history.push_back(std::move(entry));
    }
    output.json = {
        {"out", out_},
        {"tuned_on", TunedOnName(result.tuned_on)},
        {"alpha", result.alpha},
        {"beta", result.beta},
        {"keys", result.keys},
        {"selected_epoch", result.selected_epoch},
        {"last_loss", result.history.back().loss},
        {"history", history},
        {"up_to_date", result.reused_output},
        {"zero_shot", CountsJson(result.samples, result.zero_shot.top1, result.zero_shot.top5)},
        {"untrained", CountsJson(result.samples, result.before.top1, result.before.top5)},
        {"test", CountsJson(result.samples, result.test.top1, result.test.top5)},
        {"sha256", result.sha256}};
    NoteSkipped(context, {cache_, features_, val_}, output);
    NoteOddities(context, result.oddities, output);
    NoteClassesWithoutImages(context, cache_, {features_, val_}, output);
    return output;
  }

 private:
  bool fresh_ = false;
  FinetuneConfig config_;
  std::string cache_, features_, text_, sweep_, val_, out_;
  SaveEveryOption save_every_{10};
  TrainStageOptions stage_{"last"};
};

}  // namespace

std::unique_ptr<Command> MakeFinetuneCommand() { return std::make_unique<FinetuneCommand>(); }

}  // namespace clipsweep
