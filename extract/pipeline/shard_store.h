// OUT.parts/: one sealed file per finished shard.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/disk/parts_folder.h"
#include "common/files/feature_file.h"
#include "extract/pipeline/image_notes.h"
#include "extract/pipeline/picture_content.h"

namespace clipsweep {

inline constexpr const char* kShardFormat = "clipsweep-shard";

struct Shard {
  std::vector<std::int64_t> rows;  // [n] positions in the image list, rising
  std::vector<float> features;     // [n, D]; read back, rounded as they are stored
  std::vector<SkippedImage> skipped;
  std::vector<PictureRecord> pictures;  // of all images of the shard, skipped ones too
  std::vector<NotedImage> noted;        // read all the same
};

class ShardStore {
 public:
  // `made_from` must match what the parts on disk were made from.
  // Parts cut at another `shard_images` are refused too.
  ShardStore(const std::filesystem::path& out, Provenance made_from, FloatKind kind,
             std::int64_t shard_images);

  // Rank 0, before the others look: removes temporaries a killed job left, and all parts if
  // `fresh`. Throws InputError naming what differs when a part was made otherwise.
  void Prepare(bool fresh) const;

  void Write(std::int64_t shard, const Shard& content, std::int64_t width) const;
  // Nothing when the part is absent or does not hold exactly the shard's `images` images (it is
  // then computed again). Throws InputError when it is damaged, which Prepare has seen to before.
  std::optional<Shard> Read(std::int64_t shard, std::int64_t width, std::int64_t images) const;
  void RemoveAll() const;

 private:
  std::filesystem::path PathOf(std::int64_t shard) const;

  PartsFolder folder_;
  Provenance made_from_;
  FloatKind kind_;
  std::int64_t shard_images_;
};

}  // namespace clipsweep
