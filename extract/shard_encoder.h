// Images of one shard -> features, on all workers of a rank.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "common/image_list.h"
#include "common/provenance.h"
#include "common/workers.h"
#include "extract/checkpoint.h"
#include "extract/encoder_models.h"
#include "extract/extract_job.h"
#include "extract/shard_store.h"

namespace clipsweep {

// Everything a rank knows before the first image.
struct ExtractPlan {
  ImageList list;
  std::unique_ptr<Checkpoint> checkpoint;
  std::unique_ptr<ImageEncoder> encoder;
  Provenance made_from;
  std::int64_t width = 0;
  std::int64_t shard_images = 0;
  std::int64_t shards = 0;

  std::int64_t ImagesIn(std::int64_t shard) const {
    return std::min(shard_images, list.size() - shard * shard_images);
  }
};

// Decodes and encodes the images [first, last) of the list; a batch is always full, padded with
// zeros, so that every encoder call has the same shape and a picture's features do not depend on
// its neighbours' number.
class ShardEncoder {
 public:
  ShardEncoder(const ExtractConfig& config, const Compute& compute, const ExtractPlan& plan)
      : config_(config), compute_(compute), plan_(plan), pool_(compute.workers) {}

  // `images_done` gets the number of images finished, on the calling thread. Throws InputError
  // naming the image that cannot be used (unless it may be skipped).
  Shard Run(std::int64_t shard, const std::function<void(std::int64_t)>& images_done);

 private:
  void EncodeBatch(std::int64_t first, std::int64_t count, float* features,
                   std::string* reasons) const;

  const ExtractConfig& config_;
  const Compute& compute_;
  const ExtractPlan& plan_;
  WorkerPool pool_;
};

}  // namespace clipsweep
