// Images of a rank's shards -> features, on all its threads.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/image_list.h"
#include "common/provenance.h"
#include "extract/checkpoint.h"
#include "extract/encoder_models.h"
#include "extract/extract_job.h"
#include "extract/image_pipeline.h"
#include "extract/shard_store.h"

namespace clipsweep {

// Everything a rank knows before the first image.
struct ExtractPlan {
  ImageList list;
  std::unique_ptr<Checkpoint> checkpoint;
  std::unique_ptr<ImageEncoder> encoder;
  Provenance made_from;
  std::int64_t width = 0;
  std::int64_t views = 1;  // of each image; the first is the plain one
  std::int64_t batch = 0;
  std::int64_t shard_images = 0;
  std::int64_t shards = 0;

  // Features of all views of an image, side by side.
  std::int64_t row_width() const { return views * width; }
  std::int64_t ImagesIn(std::int64_t shard) const {
    return std::min(shard_images, list.size() - shard * shard_images);
  }
  std::filesystem::path PathOf(std::int64_t image) const {
    return list.root / list.paths[static_cast<std::size_t>(image)];
  }
};

// Reads the list and the checkpoint. Throws Error naming the option or file. In extract_job.cpp.
ExtractPlan MakeExtractPlan(const ExtractConfig& config, const Compute& compute);

class ShardEncoder {
 public:
  ShardEncoder(const ExtractConfig& config, const Compute& compute, const ExtractPlan& plan)
      : config_(config), compute_(compute), plan_(plan) {}

  // Calls `receive` with each shard as it is finished and `images_done` now and then, both on the
  // calling thread. Throws InputError naming the image that cannot be used (unless it may be
  // skipped).
  PipelineTimes Run(const std::vector<std::int64_t>& shards,
                    const std::function<void(std::int64_t shard, const Shard&)>& receive,
                    const std::function<void(std::int64_t)>& images_done) const;

 private:
  std::string Decode(std::int64_t image, std::int64_t view, std::uint8_t* pixels) const;
  Shard Collect(const ShardRange& range, std::vector<float> features,
                std::vector<std::string> reasons) const;
  // What Decode knows of an image until its shard is collected.
  void Keep(std::int64_t image, PictureRecord record) const;
  PictureRecord Take(std::int64_t image) const;

  const ExtractConfig& config_;
  const Compute& compute_;
  const ExtractPlan& plan_;
  mutable std::mutex mutex_;
  mutable std::unordered_map<std::int64_t, PictureRecord> records_;
  mutable NoteBook notes_;
};

}  // namespace clipsweep
