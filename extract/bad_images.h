// Holds the number of unreadable images to --max-bad. Finished shards are kept, so that the job
// goes on from them once images are mended or the limit is raised.
#pragma once

#include <cstdint>
#include <vector>

#include "common/feature_file.h"
#include "extract/extract_job.h"

namespace clipsweep {

class BadImages {
 public:
  explicit BadImages(const ExtractConfig& config) : config_(config) {}

  // Each throws InputError, with the last image's path and reason where they are known, when there
  // are more than config.max_bad in all.
  void Add(std::int64_t images);
  void Add(const std::vector<SkippedImage>& images);
  std::int64_t count() const { return count_; }

 private:
  void Hold(std::int64_t images, const std::string& last);

  const ExtractConfig& config_;
  std::int64_t count_ = 0;
};

}  // namespace clipsweep
