#include "extract/pipeline/shard_encoder.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "common/disk/sha256.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "extract/images/augment.h"
#include "extract/images/image_decode.h"
#include "extract/images/preprocess.h"
#include "extract/images/read_picture.h"
#include "extract/pipeline/batch_encoders.h"

namespace clipsweep {
namespace {

// The queue's shards, in views: those of an image one after another.
class DealtShards final : public ShardSource {
 public:
  DealtShards(WorkQueue& queue, const ExtractPlan& plan) : queue_(queue), plan_(plan) {}

  std::optional<ShardRange> Poll(bool wanted) override {
    if (wanted || queue_.is_dealer()) queue_.Serve();
    if (!wanted) return std::nullopt;
    const std::optional<std::int64_t> shard = queue_.TryTake();
    if (!shard) return std::nullopt;
    return ShardRange{*shard, *shard * plan_.shard_images * plan_.views,
                      plan_.ImagesIn(*shard) * plan_.views};
  }
  bool is_over() const override { return queue_.is_over(); }

 private:
  WorkQueue& queue_;
  const ExtractPlan& plan_;
};

}  // namespace

PipelineTimes ShardEncoder::Run(
    WorkQueue& shards, const std::function<void(std::int64_t shard, const Shard&)>& receive,
    const std::function<void(std::int64_t)>& images_done) const {
  PipelineShape shape;
  shape.decoders = plan_.decode_workers > 0 ? plan_.decode_workers : compute_.workers;
  shape.encoders = compute_.on_gpu() ? 1 : compute_.workers;
  shape.batch = plan_.batch;
  shape.image_size = plan_.checkpoint->config().image_size;
  shape.width = plan_.width;
  shape.pinned = compute_.on_gpu();
  const std::int64_t views = plan_.views;
  DealtShards source(shards, plan_);
  const ImagePipeline pipeline(
      shape,
      [&](std::int64_t item, std::uint8_t* pixels) {
        return Decode(item / views, item % views, pixels);
      },
      [&] { return MakeBatchEncoder(encoder_, compute_, shape); });
  return pipeline.Run(
      source,
      [&](const ShardRange& range, std::vector<float> features, std::vector<std::string> reasons) {
        receive(range.shard, Collect(range, std::move(features), std::move(reasons)));
      },
      [&](std::int64_t items) { images_done(items / views); });
}

std::string ShardEncoder::Decode(std::int64_t image, std::int64_t view,
                                 std::uint8_t* pixels) const {
  const auto path = plan_.PathOf(image);
  const FileStamp stamp = StampOf(path);
  bool is_read = false;
  try {
    const std::string bytes = ReadPicture(path);
    is_read = true;
    if (view == 0) Keep(image, {Sha256Hex(bytes), Settled(stamp)});
    const int n = plan_.checkpoint->config().image_size;
    const Image whole = DecodeImage(bytes, plan_.decode);
    if (view == 0) notes_.Put(image, whole.notes);
    const Image square =
        view == 0 ? ResizeAndCrop(whole, n) : AugmentedView(whole, n, plan_.seed, image, view);
    std::ranges::copy(square.rgb, pixels);
    return "";
  } catch (const ImageError& error) {
    if (plan_.skip_bad_images) {
      if (view == 0 && !is_read) Keep(image, RecordPicture(path));
      return error.what();
    }
    throw InputError(fmt::format("{}: {}; mend or remove it, or give --on-bad-image skip",
                                 Printable(path.string()), error.what()));
  }
}

void ShardEncoder::Keep(std::int64_t image, PictureRecord record) const {
  const std::lock_guard lock(mutex_);
  records_[image] = std::move(record);
}

PictureRecord ShardEncoder::Take(std::int64_t image) const {
  const std::lock_guard lock(mutex_);
  auto node = records_.extract(image);
  return node.empty() ? PictureRecord{} : std::move(node.mapped());
}

Shard ShardEncoder::Collect(const ShardRange& range, std::vector<float> features,
                            std::vector<std::string> reasons) const {
  Shard shard;
  const std::int64_t width = plan_.row_width();
  for (std::int64_t i = 0; i < range.count / plan_.views; ++i) {
    const std::int64_t image = range.first / plan_.views + i;
    std::string& reason = reasons[static_cast<std::size_t>(i * plan_.views)];
    shard.pictures.push_back(Take(image));
    if (!reason.empty()) {
      LogWarning("{}: {}; left out", Printable(plan_.PathOf(image).string()), Printable(reason));
      shard.skipped.push_back({image, plan_.list.paths[static_cast<std::size_t>(image)],
                               std::move(reason), shard.pictures.back().sha256});
      continue;
    }
    const auto noted = notes_.Tell(image, plan_.PathOf(image));
    shard.noted.insert(shard.noted.end(), noted.begin(), noted.end());
    const auto row = features.begin() + static_cast<std::ptrdiff_t>(i * width);
    for (auto view = row; view != row + width; view += plan_.width) {
      const std::span<const float> values(&*view, static_cast<std::size_t>(plan_.width));
      if (IsUsableRow(values)) continue;
      const bool finite = std::ranges::all_of(values, [](float v) { return std::isfinite(v); });
      throw InputError(fmt::format("{}: its features are {}; check the checkpoint and this image",
                                   Printable(plan_.PathOf(image).string()),
                                   finite ? "zero or nearly so" : "not finite"));
    }
    shard.rows.push_back(image);
    shard.features.insert(shard.features.end(), row, row + width);
  }
  return shard;
}

}  // namespace clipsweep
