// Decoding and encoding side by side: decode threads fill fixed batches of pixels, encoder threads
// turn full ones into features, shards come out as they are complete. The number of buffers is
// fixed, so memory is bounded and a fast side waits for the slow one. What a batch holds depends on
// the shard list alone, never on the threads.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "extract/pipeline/shard_source.h"

namespace clipsweep {

// An encoder as one thread drives it: several batches may be under way at once (on a GPU copying
// one while computing another). Made and used on one thread.
class BatchEncoder {
 public:
  virtual ~BatchEncoder() = default;
  // Batches that may be submitted and not yet waited for.
  virtual int in_flight() const = 0;
  // pixels [B, n, n, 3] uint8; stays unchanged until Wait(slot).
  virtual void Submit(int slot, const at::Tensor& pixels) = 0;
  // features [B, D] float32 on the CPU, of what was submitted in this slot.
  virtual at::Tensor Wait(int slot) = 0;
};

struct PipelineShape {
  int decoders = 1, encoders = 1;  // threads
  std::int64_t batch = 8, image_size = 224, width = 1024;
  bool pinned = false;  // page-locked buffers, from which a GPU copies by itself
};

struct PipelineTimes {
  double decode_seconds = 0, encode_seconds = 0;  // summed over threads
};

class ImagePipeline {
 public:
  // Decodes an image into [n, n, 3]. Returns "" or why it is left out; throws to end the run.
  using Decode = std::function<std::string(std::int64_t image, std::uint8_t* pixels)>;
  using MakeEncoder = std::function<std::unique_ptr<BatchEncoder>()>;
  // features [count, D]; reasons [count], "" for an image that was encoded.
  using Receive = std::function<void(const ShardRange& shard, std::vector<float> features,
                                     std::vector<std::string> reasons)>;
  using Tick = std::function<void(std::int64_t images_done)>;

  ImagePipeline(PipelineShape shape, Decode decode, MakeEncoder make_encoder)
      : shape_(shape), decode_(std::move(decode)), make_encoder_(std::move(make_encoder)) {}

  // `receive` and `tick` (about ten times a second) are called on the calling thread. The first
  // throw on any thread ends the run and is rethrown here; so is Interrupted.
  PipelineTimes Run(ShardSource& source, const Receive& receive, const Tick& tick) const;
  PipelineTimes Run(const std::vector<ShardRange>& shards, const Receive& receive,
                    const Tick& tick) const;

 private:
  PipelineShape shape_;
  Decode decode_;
  MakeEncoder make_encoder_;
};

}  // namespace clipsweep
