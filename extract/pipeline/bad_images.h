// Holds the number of unreadable images to --max-bad. Finished shards are kept, so that the job
// goes on from them once images are mended or the limit is raised.
#pragma once

#include <cstdint>
#include <filesystem>
#include <utility>
#include <vector>

#include "common/files/feature_file.h"

namespace clipsweep {

class BadImages {
 public:
  // `most`: --max-bad, -1 for any number; `root`: of the images' paths.
  BadImages(std::int64_t most, std::filesystem::path root) : most_(most), root_(std::move(root)) {}

  // Each throws InputError, with the last image's path and reason where they are known, when there
  // are more than `most` in all.
  void Add(std::int64_t images);
  void Add(const std::vector<SkippedImage>& images);
  std::int64_t count() const { return count_; }

 private:
  void Hold(std::int64_t images, const std::string& last);

  std::int64_t most_;
  std::filesystem::path root_;
  std::int64_t count_ = 0;
};

}  // namespace clipsweep
