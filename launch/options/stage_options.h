// Options of the stages. A stage's own command and `experiment` add the same ones, so that whatever
// a stage can do, an experiment can ask for.
#pragma once

#include <boost/optional.hpp>
#include <boost/program_options.hpp>
#include <chrono>
#include <string>

#include "extract/extract_job.h"
#include "finetune/training/train_settings.h"
#include "launch/options/command.h"
#include "sweep/sweep_job.h"

namespace clipsweep {

// --views, --workers, --dtype, --on-bad-image, --max-bad, and the batch under the name given to
// Add.
class ExtractStageOptions {
 public:
  void Add(boost::program_options::options_description& options, const std::string& batch);
  ExtractSettings Take() const;  // throws UsageError

 private:
  ExtractSettings settings_;
  BadImageOptions bad_images_;
  boost::optional<std::int64_t> batch_;
  std::string batch_name_, dtype_ = "f32";
};

// --alpha, --beta, --grid, --dataset, --partition.
class SweepStageOptions {
 public:
  // `default_alpha`, `default_beta`: where neither axes nor --grid are given; "": they must be.
  explicit SweepStageOptions(std::string default_alpha = "", std::string default_beta = "")
      : default_alpha_(std::move(default_alpha)), default_beta_(std::move(default_beta)) {}
  void Add(boost::program_options::options_description& options);
  SweepSettings Take() const;  // throws UsageError

 private:
  SweepSettings settings_;
  std::string default_alpha_, default_beta_, partition_ = "samples";
};

// --epochs, --batch, --lr, --eps, --weight-decay, --select, --patience, --learn.
class TrainStageOptions {
 public:
  // `select`: the default, one of the words or "" for whoever adds the options to fill in.
  explicit TrainStageOptions(std::string select) : select_(std::move(select)) {}
  void Add(boost::program_options::options_description& options);
  // `select_when_empty`: what "" stands for. Throws UsageError.
  TrainSettings Take(Select select_when_empty) const;

 private:
  TrainSettings settings_;
  std::string select_, learn_ = "keys";
};

// --save-every, of whatever saves what is finished.
class SaveEveryOption {
 public:
  SaveEveryOption() = default;
  explicit SaveEveryOption(double seconds) : seconds_(seconds) {}
  void Add(boost::program_options::options_description& options, const char* help);
  // Leaves `target` as it is when the option is not given. Throws UsageError.
  void Take(std::chrono::milliseconds& target) const;

 private:
  boost::optional<double> seconds_;
};

}  // namespace clipsweep
