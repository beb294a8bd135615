// The options that experiment and nightly share, and what both do with them.
#pragma once

#include <string>
#include <vector>

#include "launch/experiment/config.h"
#include "launch/options/command.h"
#include "launch/options/stage_options.h"

namespace clipsweep {

class ExperimentOptions {
 public:
  void Add(boost::program_options::options_description& options);
  // Throws UsageError.
  ExperimentConfig Config(const CommonOptions& common) const;

 private:
  ExperimentConfig config_;
  ExtractStageOptions extract_;
  SweepStageOptions sweep_{"0.5:2.5:0.02", "3:7:0.1"};
  TrainStageOptions training_{""};
  SaveEveryOption save_every_;
  // Images and a model, or stored features: all of one and none of the other. They throw
  // UsageError.
  void CheckImageSource() const;
  void CheckFeatureSource(const CommonOptions& common) const;

  std::vector<std::string> of_images_;  // options that say nothing of features that are there
  std::string features_from_, train_, val_, test_, images_, split_, classnames_, run_,
      shots_ = "1,5,16", seeds_ = "1:6", compare_ = "imagenet-1,imagenet-7,imagenet-80",
      methods_ = "none", fresh_ = "none", tune_ = "val";
};

// Runs the experiment; on rank 0 writes results.json, table.txt and run.json and fills the output.
// Collective.
CommandOutput RunAndReport(const ExperimentConfig& config, const CommandContext& context);

}  // namespace clipsweep
