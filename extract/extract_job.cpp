#include "extract/extract_job.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <optional>

#include "common/comm/work_queue.h"
#include "common/files/feature_file.h"
#include "common/files/shared_pictures.h"
#include "common/files/stage_output.h"
#include "common/process/error.h"
#include "common/process/liveness.h"
#include "common/process/log.h"
#include "common/process/progress.h"
#include "extract/models/encoder_models.h"
#include "extract/output_check.h"
#include "extract/pipeline/bad_images.h"
#include "extract/pipeline/merge_shards.h"
#include "extract/pipeline/shard_encoder.h"

namespace clipsweep {
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
  result.duplicates = FindDuplicates(file);
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

// OUT, locked for as long as what is returned lives; up to date when it was made from the same
// pictures in the same way. Throws AgreedError when it was made otherwise and is to be kept.
// Collective.
StageOutput OpenFeatures(const ExtractConfig& config, const ExtractPlan& plan,
                         const Compute& compute, Comm& comm) {
  EnterStage("extract: output");
  Agree(comm, [&] {
    if (comm.is_root()) RefuseOtherOutput(config, plan);
  });
  StageOutput output =
      OpenOutput(comm, config.out, kFeatureFormat, plan.made_from, config.if_present);
  RequireSameOnAllRanks(comm, {{"sizes of the pictures", plan.list.sizes_sha256}});
  if (output.up_to_date) output.up_to_date = HasTheSamePictures(config, plan, compute, comm);
  return output;
}

ExtractResult Keep(const ExtractConfig& config, const ExtractPlan& plan, Comm& comm) {
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

// What is on disk already, the same on every rank.
struct FoundShards {
  std::vector<std::int64_t> done;  // [shards] 1 for those
  std::int64_t bad_images = 0;     // in them

  std::int64_t count() const { return std::count(done.begin(), done.end(), 1); }
  // Images of the first `shards` shards, without those of the shards found.
  std::int64_t ImagesLeft(const ExtractPlan& plan, std::int64_t shards) const {
    std::int64_t images = 0;
    for (std::int64_t shard = 0; shard < shards; ++shard) {
      if (done[static_cast<std::size_t>(shard)] == 0) images += plan.ImagesIn(shard);
    }
    return images;
  }
};

// Each rank looks at some of the shards; the sum tells every rank which are done. Collective.
FoundShards FindShards(const ExtractConfig& config, const ExtractPlan& plan,
                       const ShardStore& store, Comm& comm) {
  EnterStage("extract: look at shards");
  FoundShards found;
  found.done.assign(static_cast<std::size_t>(plan.shards), 0);
  Agree(comm, [&] {
    for (const std::int64_t shard : ItemsOfRank(plan.shards, comm)) {
      const auto part = ReadValidShard(plan, store, shard);
      if (!part) continue;
      RefuseSkipped(config, static_cast<std::int64_t>(part->skipped.size()));
      found.bad_images += static_cast<std::int64_t>(part->skipped.size());
      found.done[static_cast<std::size_t>(shard)] = 1;
    }
  });
  comm.SumInt64(found.done);
  comm.SumInt64(std::span(&found.bad_images, 1));
  return found;
}

struct EncodedShards {
  std::int64_t bad_images = 0;  // of all ranks, those found before among them
  PipelineTimes times;          // of this rank
  double seconds = 0;           // of this rank, from the first image to the last shard
};

// Encodes what is not on disk; at the end every shard is, of every rank. Collective.
EncodedShards EncodeShards(const ExtractConfig& config, const ExtractPlan& plan,
                           const FoundShards& found, const ShardStore& store,
                           const Compute& compute, Comm& comm) {
  std::unique_ptr<ImageEncoder> encoder;
  Agree(comm, [&] { encoder = MakeImageEncoder(*plan.checkpoint, plan.encoder); });
  EnterStage("extract: encode");
  // Of all ranks before, of this one from here on.
  BadImages bad_images(config.max_bad, config.images);
  bad_images.Add(found.bad_images);
  EncodedShards encoded;
  const auto begin = std::chrono::steady_clock::now();
  WorkQueue queue(comm, plan.shards, std::vector<bool>(found.done.begin(), found.done.end()));
  Progress progress("extract", "images", found.ImagesLeft(plan, plan.shards), comm.is_root());
  const auto receive = [&](std::int64_t shard, const Shard& part) {
    store.Write(shard, part, plan.row_width());
    bad_images.Add(part.skipped);
    DidWork(plan.ImagesIn(shard));
  };
  const auto tick = [&](std::int64_t images) {
    // Of other ranks it is known what they were given.
    progress.Update(comm.size() == 1 ? images : found.ImagesLeft(plan, queue.dealt()));
  };
  encoded.times = ShardEncoder(plan, *encoder, compute).Run(queue, receive, tick);
  queue.Finish();
  encoded.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  EnterStage("extract: merge");
  encoded.bad_images = bad_images.count() - found.bad_images;
  Agree(comm, [] {});  // every shard is on disk
  comm.SumInt64(std::span(&encoded.bad_images, 1));
  encoded.bad_images += found.bad_images;
  return encoded;
}

// Rank 0 joins the shards into OUT. Collective.
ExtractResult WriteFeatures(const ExtractConfig& config, const ExtractPlan& plan,
                            const EncodedShards& encoded, const ShardStore& store, Comm& comm) {
  MergedShards merged;
  Agree(comm, [&] {
    if (!comm.is_root()) return;
    BadImages(config.max_bad, config.images).Add(encoded.bad_images);
    merged = MergeShards(plan, store, config.out);
    store.RemoveAll();
    if (merged.skipped > 0) {
      LogWarning("extract: {} of {} images could not be read and were left out; {} lists them",
                 merged.skipped, plan.list.size(), config.out.string());
    }
  });
  EnterStage("extract: result");
  ExtractResult result;
  Agree(comm, [&] { result = Describe(config, plan); });
  if (comm.is_root()) SayDuplicates(config, result.duplicates);
  if (comm.is_root()) WriteTimes(config.out, result.sha256, merged.stamps);
  constexpr double kMicro = 1e-6;
  const auto microseconds = [](double seconds) {
    return static_cast<std::int64_t>(seconds / kMicro);
  };
  std::array<std::int64_t, 2> sums = {microseconds(encoded.times.decode_seconds),
                                      microseconds(encoded.times.encode_seconds)};
  std::int64_t slowest = microseconds(encoded.seconds);
  comm.SumInt64(sums);
  comm.MaxInt64(std::span(&slowest, 1));
  result.decode_seconds = static_cast<double>(sums[0]) * kMicro;
  result.encode_seconds = static_cast<double>(sums[1]) * kMicro;
  result.pipeline_seconds = static_cast<double>(slowest) * kMicro;
  return result;
}

}  // namespace

ExtractResult RunExtract(const ExtractConfig& config, const Compute& compute, Comm& comm) {
  // Plan.
  EnterStage("extract: plan");
  ExtractPlan plan;
  Agree(comm, [&] { plan = MakeExtractPlan(config, compute); });
  if (comm.is_root()) WarnOfFolder(config, plan);
  const StageOutput output = OpenFeatures(config, plan, compute, comm);
  if (output.up_to_date) return Keep(config, plan, comm);

  // Compute.
  const ShardStore store(config.out, plan.made_from, config.dtype, plan.shard_images);
  Agree(comm, [&] {
    if (comm.is_root()) store.Prepare(config.if_present == IfPresent::kRecompute);
  });
  const FoundShards found = FindShards(config, plan, store, comm);
  LogInfo("extract: {} images in {} shards, {} on disk already; {} worker(s) on {}",
          plan.list.size(), plan.shards, found.count(), compute.workers, compute.device);
  const EncodedShards encoded = EncodeShards(config, plan, found, store, compute, comm);

  // Write.
  ExtractResult result = WriteFeatures(config, plan, encoded, store, comm);
  result.shards_reused = found.count();
  result.shards_computed = plan.shards - result.shards_reused;
  return result;
}

}  // namespace clipsweep
