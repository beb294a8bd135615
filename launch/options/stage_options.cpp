#include "launch/options/stage_options.h"

#include <fmt/core.h>

#include <cmath>

#include "common/process/error.h"

namespace clipsweep {

namespace po = boost::program_options;

void ExtractStageOptions::Add(po::options_description& options, const std::string& batch) {
  batch_name_ = batch;
  // clang-format off
  options.add_options()
      ("views", Default(&settings_.views), "of each training image: the plain one and augmented ones (random crop and flip, seeded by --seed), for finetune")
      (batch.c_str(), Optional(&batch_), "images per encoder call; 8 on a CPU, 128 on a GPU")
      ("workers", Default(&settings_.decode_workers), "threads that read and decode images; 0: as --threads")
      ("dtype", Default(&dtype_), "how features are stored: f32 or f16");
  // clang-format on
  bad_images_.Add(options);
}

ExtractSettings ExtractStageOptions::Take() const {
  ExtractSettings settings = settings_;
  if (batch_) {
    if (*batch_ < 1 || *batch_ > kMostBatch) {
      throw UsageError(fmt::format("--{}: {} is not in 1..{}", batch_name_, *batch_, kMostBatch));
    }
    settings.batch = *batch_;
  }
  settings.dtype = ParseFloatKind(dtype_);
  settings.skip_bad_images = bad_images_.skip();
  settings.max_bad = bad_images_.most();
  CheckExtractSettings(settings);
  return settings;
}

void SweepStageOptions::Add(po::options_description& options) {
  const auto axis = [](std::string* target, const std::string& value) {
    return value.empty() ? Optional(target) : Optional(target)->value_name("=" + value);
  };
  // clang-format off
  options.add_options()
      ("alpha", axis(&settings_.alpha, default_alpha_), "grid lo:hi:step, hi not included")
      ("beta", axis(&settings_.beta, default_beta_), "grid lo:hi:step, hi not included")
      ("grid", Optional(&settings_.grid), "'official': the 200 x 20 points of the official code, with --dataset")
      ("dataset", Optional(&settings_.dataset), "of --grid official: imagenet, caltech101, dtd, ...")
      ("partition", Default(&partition_), "how ranks divide the sweep: samples, grid, or classes (each rank holds the keys of some classes)");
  // clang-format on
}

SweepSettings SweepStageOptions::Take() const {
  SweepSettings settings = settings_;
  if (settings.grid.empty()) {
    if (settings.alpha.empty()) settings.alpha = default_alpha_;
    if (settings.beta.empty()) settings.beta = default_beta_;
  }
  settings.partition = ParsePartition(partition_);
  return settings;
}

void TrainStageOptions::Add(po::options_description& options) {
  const bool open = select_.empty();
  // clang-format off
  options.add_options()
      ("epochs", Default(&settings_.epochs), "of the training: passes over the samples")
      ("batch", Default(&settings_.batch), "samples per step; the last, smaller one is kept")
      ("lr", Default(&settings_.lr), "learning rate, cosine to 0")
      ("eps", Default(&settings_.eps), "AdamW's epsilon")
      ("weight-decay", Default(&settings_.weight_decay), "AdamW's weight decay")
      ("select", open ? Optional(&select_) : Default(&select_), open ? "whose keys are kept: those of the best epoch on what --tune says, or of the 'last'" : "whose keys are kept: last epoch, best on val, or best on test (labelled)")
      ("patience", Default(&settings_.patience), "stop after so many epochs without a better one; 0: never")
      ("learn", Default(&learn_), "what is trained: some of keys,alpha,beta,text");
  // clang-format on
}

TrainSettings TrainStageOptions::Take(Select select_when_empty) const {
  TrainSettings settings = settings_;
  settings.select = select_.empty() ? select_when_empty : ParseSelect(select_);
  settings.learn = ParseLearn(learn_);
  return settings;
}

void SaveEveryOption::Add(po::options_description& options, const char* help) {
  options.add_options()(
      "save-every",
      seconds_ ? po::value(&seconds_)->default_value(seconds_, fmt::format("{}", *seconds_))
               : po::value(&seconds_),
      help);
}

void SaveEveryOption::Take(std::chrono::milliseconds& target) const {
  if (!seconds_) return;
  if (!(*seconds_ >= 0 && *seconds_ <= 86400)) {
    throw UsageError(fmt::format("--save-every: {} is not in 0..86400", *seconds_));
  }
  target = std::chrono::milliseconds(std::llround(*seconds_ * 1000));
}

}  // namespace clipsweep
