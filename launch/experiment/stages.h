// The experiment as a table of stages, each with the file it makes and what that is made from:
// running and planning both go through it.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "launch/experiment/config.h"
#include "launch/experiment/data.h"

namespace clipsweep {

struct Stage {
  std::string name;           // "extract train", "finetune 16-shot seed 31"
  std::string unit;           // of what it works through: "images"
  std::filesystem::path out;  // the file it makes
  const char* format = nullptr;
  IfPresent if_present = IfPresent::kReuse;
  std::vector<std::string> needs;        // stages whose files it reads
  std::function<bool()> same_as_before;  // makes nothing: all keys are one subset for every seed
  std::function<void()> repeat;          // then: the result of the stage before once more
  // One of the two says whether `out` is up to date; both read what they need from disk. What it
  // would be made from, or in words how it, which is there, was made otherwise ("": it was not).
  std::function<Provenance()> made_from;
  std::function<std::string()> difference;
  std::function<bool(Comm&)> run;  // collective; true: the file was up to date
  bool shared_work = false;        // ranks go through the same items together
};

// Stages in an order that has every file before those who need it. Results go to `result`. All
// arguments must outlive the stages.
std::vector<Stage> MakeStages(const ExperimentConfig& config, const ExperimentData& data,
                              const Compute& compute, ExperimentResult& result);

// "imagenet-7", or the file's name without what file names cannot hold.
std::string TemplatesLabel(const std::string& spec);

}  // namespace clipsweep
