#include "extract/extract_job.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "common/data/class_names.h"
#include "common/process/error.h"
#include "extract/images/augment.h"
#include "extract/images/preprocess.h"

namespace clipsweep {
namespace {

constexpr std::int64_t kMostShardImages = kMostBatch, kFewestShardImages = 32, kWantedShards = 32;

// "" for CLIP's own mean and deviation, else both.
std::string Colours(const ModelConfig& model) {
  const ModelConfig clip;
  if (model.mean == clip.mean && model.deviation == clip.deviation) return "";
  return fmt::format(" mean {} deviation {}", fmt::join(model.mean, " "),
                     fmt::join(model.deviation, " "));
}

Provenance MakeProvenance(const ExtractConfig& config, const Compute& compute,
                          const ExtractPlan& plan) {
  Provenance made_from = MakingOf(*plan.checkpoint, config.model);
  made_from.insert({{"list_sha256", plan.list.sha256},
                    {"heads", std::to_string(plan.checkpoint->config().vision_heads)},
                    {"dtype", std::string(FloatKindName(config.dtype))},
                    {"batch", std::to_string(plan.batch)},
                    {"device_kind", compute.kind()}});
  if (config.model.decode.max_pixels != kMaxPixels) {
    made_from["max_pixels"] = std::to_string(config.model.decode.max_pixels);
  }
  if (plan.views > 1) {
    made_from["views"] = fmt::format("{} {} seed {}", plan.views, kAugmentName, config.seed);
  }
  return made_from;
}

}  // namespace

Provenance MakingOf(const Checkpoint& checkpoint, const ModelOptions& options) {
  const ModelConfig& model = checkpoint.config();
  return {{"model", model.name},
          {"model_sha256", checkpoint.sha256()},
          {"preprocess", fmt::format("{}-{}{}", kPreprocessName, model.image_size, Colours(model))},
          {"activation", checkpoint.ActivationName()},
          {"precision", options.precision}};
}

void CheckExtractSettings(const ExtractSettings& settings) {
  if (settings.decode_workers < 0 || settings.decode_workers > 4096) {
    throw UsageError(fmt::format("--workers: {} is not in 0..4096", settings.decode_workers));
  }
  if (settings.views < 1 || settings.views > kMostViews) {
    throw UsageError(fmt::format("--views: {} is not in 1..{}", settings.views, kMostViews));
  }
}

ExtractPlan MakeExtractPlan(const ExtractConfig& config, const Compute& compute) {
  CheckExtractSettings(config);
  ExtractPlan plan;
  plan.views = config.views;
  plan.seed = config.seed;
  plan.dtype = config.dtype;
  plan.decode = config.model.decode;
  plan.decode_workers = config.decode_workers;
  plan.skip_bad_images = config.skip_bad_images;
  plan.batch = config.batch > 0 ? config.batch : DefaultBatch(compute);
  std::vector<std::string> classes;
  if (!config.classnames.empty()) classes = ReadClassFolders(config.classnames);
  plan.list = ReadImageList(config.images, config.list, classes);
  plan.encoder = MakeEncoderOptions(config.model, compute);
  plan.checkpoint = OpenCheckpoint(config.model);
  plan.checkpoint->RequireImageEncoder();
  plan.width = plan.checkpoint->config().embed_dim;
  plan.shard_images = ShardImages(plan.list.size(), plan.batch);
  plan.shards = (plan.list.size() + plan.shard_images - 1) / plan.shard_images;
  plan.made_from = MakeProvenance(config, compute, plan);
  return plan;
}

std::int64_t DefaultBatch(const Compute& compute) { return compute.on_gpu() ? 128 : 8; }

std::int64_t ShardImages(std::int64_t images, std::int64_t batch) {
  const std::int64_t wanted =
      std::max(kFewestShardImages, (images + kWantedShards - 1) / kWantedShards);
  return std::min(kMostShardImages, (wanted + batch - 1) / batch * batch);
}

}  // namespace clipsweep
