#include "extract/extract_job.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>

#include "common/data/class_names.h"
#include "common/files/feature_file.h"
#include "common/files/shared_pictures.h"
#include "common/files/stage_output.h"
#include "common/process/error.h"
#include "common/process/liveness.h"
#include "common/process/log.h"
#include "common/process/progress.h"
#include "extract/images/augment.h"
#include "extract/images/preprocess.h"
#include "extract/models/encoder_models.h"
#include "extract/output_check.h"
#include "extract/pipeline/bad_images.h"
#include "extract/pipeline/merge_shards.h"
#include "extract/pipeline/shard_encoder.h"

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
  plan.width = plan.checkpoint->config().embed_dim;
  plan.shard_images = ShardImages(plan.list.size(), plan.batch);
  plan.shards = (plan.list.size() + plan.shard_images - 1) / plan.shard_images;
  plan.made_from = MakeProvenance(config, compute, plan);
  return plan;
}

namespace {

ExtractResult Describe(const ExtractConfig& config, const ExtractPlan& plan) {
  ExtractResult result;
  const H5Reader file(config.out);
  result.images = static_cast<std::int64_t>(file.Shape("features")[0]);
  result.skipped = plan.list.size() - result.images;
  result.width = plan.width;
  result.views = plan.views;
  result.classes = static_cast<std::int64_t>(plan.list.classes.size());
  result.image_warnings = CountNotes(ReadNoted(file));
  result.sha256 = file.seal();
  if (file.Has(kImageHashes)) {
    result.duplicates =
        FindDuplicates(file.Texts(kImageHashes), file.Int32s("labels"), file.Texts("paths"));
  }
  result.left_out = plan.list.left_out;
  result.model_remarks = plan.checkpoint->remarks();
  result.classes_without_images =
      ClassesWithoutImages(file.Int32s("labels"), plan.list.classes.size());
  return result;
}

void SayDuplicates(const ExtractConfig& config, const Duplicates& found) {
  if (found.pictures == 0) return;
  LogWarning(
      "{}: {} pictures are the same as an earlier one, {} of them in another class ({} and {})",
      config.images.string(), found.pictures, found.across_classes, Printable(found.example.first),
      Printable(found.example.second));
}

// Whether the pictures are still those of the file that is up to date by its provenance. Throws
// AgreedError when they are not and such a file is to be kept. Collective.
bool HasTheSamePictures(const ExtractConfig& config, const ExtractPlan& plan,
                        const Compute& compute, Comm& comm) {
  EnterStage("extract: look at pictures");
  const std::string changed =
      CheckContent(plan.list, config.out, /*keep_note=*/true, compute, comm);
  Agree(comm, [&] {
    if (changed.empty()) return;
    if (config.if_present == IfPresent::kReuse) {
      throw InputError(fmt::format("{}: {} since it was made; give --fresh to replace it",
                                   config.out.string(), changed));
    }
    if (comm.is_root()) LogInfo("{}: {}; it is made again", config.out.string(), changed);
  });
  return changed.empty();
}

// The shard, unless one of its pictures is another one now.
std::optional<Shard> ReadValidShard(const ExtractPlan& plan, const ShardStore& store,
                                    std::int64_t shard) {
  auto part = store.Read(shard, plan.row_width(), plan.ImagesIn(shard));
  if (!part) return part;
  const auto changed = ChangedPictures(plan.list, shard * plan.shard_images, part->pictures);
  if (changed.empty()) return part;
  LogWarning("{}; shard {} is computed again", DescribeChanged(plan.list, changed), shard);
  return std::nullopt;
}

// Images of the first `shards` shards, without those of shards that were done before.
std::int64_t ImagesOf(const ExtractPlan& plan, const std::vector<std::int64_t>& done,
                      std::int64_t shards) {
  std::int64_t images = 0;
  for (std::int64_t shard = 0; shard < shards; ++shard) {
    if (done[static_cast<std::size_t>(shard)] == 0) images += plan.ImagesIn(shard);
  }
  return images;
}

// What is odd about the folder but allowed.
void WarnOfFolder(const ExtractConfig& config, const ExtractPlan& plan) {
  for (const std::string& line : plan.list.left_out.Lines()) {
    LogWarning("{}: {}", Printable(config.images.string()), line);
  }
  const std::int64_t without = ClassesWithoutImages(plan.list.labels, plan.list.classes.size());
  if (without > 0) {
    LogWarning("{}: {} of {} classes have no image", Printable(config.images.string()), without,
               plan.list.classes.size());
  }
}

}  // namespace

std::int64_t DefaultBatch(const Compute& compute) { return compute.on_gpu() ? 128 : 8; }

std::int64_t ShardImages(std::int64_t images, std::int64_t batch) {
  const std::int64_t wanted =
      std::max(kFewestShardImages, (images + kWantedShards - 1) / kWantedShards);
  return std::min(kMostShardImages, (wanted + batch - 1) / batch * batch);
}

ExtractResult RunExtract(const ExtractConfig& config, const Compute& compute, Comm& comm) {
  EnterStage("extract: plan");
  ExtractPlan plan;
  Agree(comm, [&] { plan = MakeExtractPlan(config, compute); });
  if (comm.is_root()) WarnOfFolder(config, plan);
  EnterStage("extract: output");
  Agree(comm, [&] {
    if (comm.is_root()) RefuseOtherOutput(config, plan);
  });
  StageOutput output =
      OpenOutput(comm, config.out, kFeatureFormat, plan.made_from, config.if_present);
  RequireSameOnAllRanks(comm, {{"sizes of the pictures", plan.list.sizes_sha256}});
  if (output.up_to_date) output.up_to_date = HasTheSamePictures(config, plan, compute, comm);
  const ShardStore store(config.out, plan.made_from, config.dtype, plan.shard_images);
  Agree(comm, [&] {
    if (comm.is_root() && !output.up_to_date) {
      store.Prepare(config.if_present == IfPresent::kRecompute);
    }
  });
  if (output.up_to_date) {
    ExtractResult result;
    Agree(comm, [&] {
      result = Describe(config, plan);
      RefuseSkipped(config, result.skipped);
      BadImages(config.max_bad, config.images).Add(result.skipped);
    });
    if (comm.is_root()) SayDuplicates(config, result.duplicates);
    result.reused_output = true;
    return result;
  }

  EnterStage("extract: look at shards");
  // Each rank looks at some of the shards; the sum tells every rank which are done.
  std::int64_t bad = 0;  // images of those
  std::vector<std::int64_t> done(static_cast<std::size_t>(plan.shards), 0);
  Agree(comm, [&] {
    for (std::int64_t shard : ItemsOfRank(plan.shards, comm)) {
      const auto part = ReadValidShard(plan, store, shard);
      if (part) {
        RefuseSkipped(config, static_cast<std::int64_t>(part->skipped.size()));
        bad += static_cast<std::int64_t>(part->skipped.size());
      }
      done[static_cast<std::size_t>(shard)] = part.has_value() ? 1 : 0;
    }
  });
  comm.SumInt64(done);
  comm.SumInt64(std::span(&bad, 1));
  const std::int64_t reused = std::count(done.begin(), done.end(), 1);
  LogInfo("extract: {} images in {} shards, {} on disk already; {} worker(s) on {}",
          plan.list.size(), plan.shards, reused, compute.workers, compute.device);
  std::unique_ptr<ImageEncoder> encoder;
  Agree(comm, [&] { encoder = MakeImageEncoder(*plan.checkpoint, plan.encoder); });
  EnterStage("extract: encode");
  BadImages bad_images(config.max_bad,
                       config.images);  // of all ranks before, of this one from here on
  bad_images.Add(bad);
  PipelineTimes times;
  const auto begin = std::chrono::steady_clock::now();
  {
    WorkQueue queue(comm, plan.shards, std::vector<bool>(done.begin(), done.end()));
    Progress progress("extract", "images", ImagesOf(plan, done, plan.shards), comm.is_root());
    times =
        ShardEncoder(plan, *encoder, compute)
            .Run(
                queue,
                [&](std::int64_t shard, const Shard& part) {
                  store.Write(shard, part, plan.row_width());
                  bad_images.Add(part.skipped);
                  DidWork(plan.ImagesIn(shard));
                },
                [&](std::int64_t images) {
                  // Of other ranks it is known what they were given.
                  progress.Update(comm.size() == 1 ? images : ImagesOf(plan, done, queue.dealt()));
                });
    queue.Finish();
  }
  std::vector<std::int64_t> slowest = {std::chrono::duration_cast<std::chrono::microseconds>(
                                           std::chrono::steady_clock::now() - begin)
                                           .count()};
  ExtractResult result;
  EnterStage("extract: merge");
  std::int64_t found = bad_images.count() - bad;
  Agree(comm, [] {});  // every shard is on disk
  comm.SumInt64(std::span(&found, 1));
  MergedShards merged;
  Agree(comm, [&] {
    if (!comm.is_root()) return;
    BadImages(config.max_bad, config.images).Add(bad + found);
    merged = MergeShards(plan, store, config.out);
    store.RemoveAll();
    if (merged.skipped > 0) {
      LogWarning("extract: {} of {} images could not be read and were left out; {} lists them",
                 merged.skipped, plan.list.size(), config.out.string());
    }
  });
  EnterStage("extract: result");
  Agree(comm, [&] { result = Describe(config, plan); });
  if (comm.is_root()) SayDuplicates(config, result.duplicates);
  if (comm.is_root()) WriteTimes(config.out, result.sha256, merged.stamps);
  std::vector<std::int64_t> microseconds = {static_cast<std::int64_t>(times.decode_seconds * 1e6),
                                            static_cast<std::int64_t>(times.encode_seconds * 1e6)};
  comm.SumInt64(microseconds);
  comm.MaxInt64(slowest);
  result.pipeline_seconds = static_cast<double>(slowest[0]) * 1e-6;
  result.decode_seconds = static_cast<double>(microseconds[0]) * 1e-6;
  result.encode_seconds = static_cast<double>(microseconds[1]) * 1e-6;
  result.shards_computed = plan.shards - reused;
  result.shards_reused = reused;
  return result;
}

}  // namespace clipsweep
