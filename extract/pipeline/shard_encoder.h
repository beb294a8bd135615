// Images of a rank's shards -> features, on all its threads.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/comm/work_queue.h"
#include "common/compute/device.h"
#include "extract/models/encoder_models.h"
#include "extract/pipeline/extract_plan.h"
#include "extract/pipeline/image_pipeline.h"
#include "extract/pipeline/shard_store.h"

namespace clipsweep {

class ShardEncoder {
 public:
  // Keeps references.
  ShardEncoder(const ExtractPlan& plan, const ImageEncoder& encoder, const Compute& compute)
      : plan_(plan), encoder_(encoder), compute_(compute) {}

  // Takes shards from the queue as it gets to them. Calls `receive` with each shard as it is
  // finished and `images_done` now and then, both on the calling thread. Throws InputError naming
  // the image that cannot be used (unless it may be skipped).
  PipelineTimes Run(WorkQueue& shards,
                    const std::function<void(std::int64_t shard, const Shard&)>& receive,
                    const std::function<void(std::int64_t)>& images_done) const;

 private:
  std::string Decode(std::int64_t image, std::int64_t view, std::uint8_t* pixels) const;
  Shard Collect(const ShardRange& range, std::vector<float> features,
                std::vector<std::string> reasons) const;
  // What Decode knows of an image until its shard is collected.
  void Keep(std::int64_t image, PictureRecord record) const;
  PictureRecord Take(std::int64_t image) const;

  const ExtractPlan& plan_;
  const ImageEncoder& encoder_;
  const Compute& compute_;
  mutable std::mutex mutex_;
  mutable std::unordered_map<std::int64_t, PictureRecord> records_;
  mutable NoteBook notes_;
};

}  // namespace clipsweep
