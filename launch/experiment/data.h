// Where an experiment's images come from: image folders, or CoOp's split_zhou_*.json; with lists
// and class names in RUN/lists/ where folders alone do not say it.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "common/data/left_out.h"
#include "launch/experiment/config.h"

namespace clipsweep {

struct ExperimentData {
  struct Split {
    std::filesystem::path images;  // folder
    std::filesystem::path list;    // of its images, empty for all
  };
  Split train, val, test;
  std::filesystem::path classnames;
  std::map<std::filesystem::path, std::string> files;  // lists and class names to be there
  // Of the folder that the lists were made from, which extractions do not look through any more.
  LeftOut left_out;

  // Whether they are there already, as they should be.
  bool OnDisk() const;
  void Write() const;
  // The same lists, in another folder.
  void MoveFiles(const std::filesystem::path& folder);
};

// Looks at the folders. Without validation images, min(largest shot count, 4) of each class's
// training images, at most half of them, become validation images, drawn by `seed`. Throws
// UsageError, InputError.
ExperimentData ReadExperimentData(const ExperimentConfig& config);

// Reads every list as the extractions will, so that what would fail after hours fails at once, and
// warns of classes with fewer images than shots. `data` has its lists on disk. Throws InputError.
void CheckImages(const ExperimentConfig& config, const ExperimentData& data);

}  // namespace clipsweep
