// What an extraction computes, settled before its first image: pictures, model, shards.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <memory>

#include "common/compute/half.h"
#include "common/data/image_list.h"
#include "common/files/provenance.h"
#include "extract/checkpoints/checkpoint.h"
#include "extract/images/image_decode.h"
#include "extract/models/encoder_options.h"

namespace clipsweep {

struct ExtractPlan {
  ImageList list;
  std::shared_ptr<const Checkpoint> checkpoint;
  Provenance made_from;
  std::int64_t width = 0;
  std::int64_t views = 1;  // of each image; the first is the plain one
  std::uint64_t seed = 1;  // of the augmented views
  std::int64_t batch = 0;
  std::int64_t shard_images = 0;
  std::int64_t shards = 0;
  FloatKind dtype = FloatKind::kF32;
  EncoderOptions encoder;
  DecodeLimits decode;
  int decode_workers = 0;  // threads that read and decode; 0: as many as the rank computes with
  bool skip_bad_images = false;

  // Features of all views of an image, side by side.
  std::int64_t row_width() const { return views * width; }
  std::int64_t ImagesIn(std::int64_t shard) const {
    return std::min(shard_images, list.size() - shard * shard_images);
  }
  std::filesystem::path PathOf(std::int64_t image) const {
    return list.root / list.paths[static_cast<std::size_t>(image)];
  }
};

}  // namespace clipsweep
