#include "extract/extract_job.h"

#include <ATen/ATen.h>
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <mutex>
#include <optional>

#include "common/atomic_file.h"
#include "common/class_names.h"
#include "common/error.h"
#include "common/image_list.h"
#include "common/log.h"
#include "common/progress.h"
#include "common/sha256.h"
#include "common/signals.h"
#include "common/stage_output.h"
#include "common/workers.h"
#include "extract/encoder_models.h"
#include "extract/preprocess.h"
#include "extract/shard_store.h"

namespace clipsweep {
namespace {

constexpr std::int64_t kMostShardImages = 512, kFewestShardImages = 32, kWantedShards = 32;

// Everything a rank knows before the first image.
struct Plan {
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

Provenance MakeProvenance(const ExtractConfig& config, const Compute& compute, const Plan& plan) {
  const ModelConfig& model = plan.checkpoint->config();
  return {{"model", model.name},
          {"model_sha256", plan.checkpoint->sha256()},
          {"preprocess", fmt::format("{}-{}", kPreprocessName, model.image_size)},
          {"list_sha256", plan.list.sha256},
          {"dtype", std::string(FloatKindName(config.dtype))},
          {"batch", std::to_string(config.batch)},
          {"device_kind", compute.kind()}};
}

Plan MakePlan(const ExtractConfig& config, const Compute& compute) {
  if (config.batch < 1 || config.batch > kMostShardImages) {
    throw UsageError(fmt::format("--batch: {} is not in 1..{}", config.batch, kMostShardImages));
  }
  Plan plan;
  std::vector<std::string> classes;
  if (!config.classnames.empty()) classes = ReadClassNames(config.classnames).classes;
  plan.list = ReadImageList(config.images, config.list, classes);
  plan.checkpoint = std::make_unique<Checkpoint>(FindModel(config.model), config.activation);
  plan.encoder = MakeImageEncoder(*plan.checkpoint, compute.device);
  plan.width = plan.checkpoint->config().embed_dim;
  plan.shard_images = ShardImages(plan.list.size(), config.batch);
  plan.shards = (plan.list.size() + plan.shard_images - 1) / plan.shard_images;
  plan.made_from = MakeProvenance(config, compute, plan);
  return plan;
}

// Decodes and encodes the images [first, last) of the list; a batch is always full, padded with
// zeros, so that every encoder call has the same shape and a picture's features do not depend on
// its neighbours' number.
class ShardEncoder {
 public:
  ShardEncoder(const ExtractConfig& config, const Compute& compute, const Plan& plan)
      : config_(config), compute_(compute), plan_(plan), pool_(compute.workers) {}

  Shard Run(std::int64_t shard, const std::function<void(std::int64_t)>& images_done) {
    const std::int64_t first = shard * plan_.shard_images;
    const std::int64_t count = plan_.ImagesIn(shard);
    const std::int64_t batches = (count + config_.batch - 1) / config_.batch;
    std::vector<float> features(static_cast<std::size_t>(count * plan_.width));
    std::vector<std::string> reasons(static_cast<std::size_t>(count));
    pool_.Run(
        batches,
        [&](std::int64_t batch, int) {
          const std::int64_t at = batch * config_.batch;
          EncodeBatch(first + at, std::min(config_.batch, count - at),
                      features.data() + at * plan_.width, reasons.data() + at);
        },
        [&](std::int64_t done) { images_done(std::min(count, done * config_.batch)); });
    Shard out;
    for (std::int64_t i = 0; i < count; ++i) {
      const auto u = static_cast<std::size_t>(i);
      const std::string& path = plan_.list.paths[static_cast<std::size_t>(first + i)];
      if (!reasons[u].empty()) {
        out.skipped.push_back({first + i, path, reasons[u]});
        continue;
      }
      out.rows.push_back(first + i);
      const auto row = features.begin() + static_cast<std::ptrdiff_t>(i * plan_.width);
      out.features.insert(out.features.end(), row, row + plan_.width);
    }
    return out;
  }

 private:
  void EncodeBatch(std::int64_t first, std::int64_t count, float* features,
                   std::string* reasons) const {
    const std::int64_t n = plan_.checkpoint->config().image_size;
    at::Tensor images = at::zeros({config_.batch, 3, n, n});
    for (std::int64_t i = 0; i < count; ++i) {
      const std::string& name = plan_.list.paths[static_cast<std::size_t>(first + i)];
      const auto path = plan_.list.root / name;
      // A file that cannot be read stops the run: it says nothing about the picture.
      const std::string bytes = ReadFile(path, kMaxImageBytes);
      try {
        Preprocess(DecodeImage(bytes), static_cast<int>(n), images[i].mutable_data_ptr<float>());
      } catch (const ImageError& error) {
        if (!config_.skip_bad_images) {
          throw InputError(fmt::format("{}: {}; mend or remove it, or give --on-bad-image skip",
                                       Printable(path.string()), error.what()));
        }
        reasons[i] = error.what();
      }
    }
    const at::Tensor encoded =
        plan_.encoder
            ->Encode(
                images.contiguous(at::MemoryFormat::ChannelsLast).to(at::Device(compute_.device)))
            .to(at::kCPU, at::kFloat)
            .contiguous();
    const auto* values = encoded.const_data_ptr<float>();
    std::copy_n(values, count * plan_.width, features);
    for (std::int64_t i = 0; i < count; ++i) {
      double sum = 0;
      for (std::int64_t d = 0; d < plan_.width; ++d) sum += std::abs(values[i * plan_.width + d]);
      if (reasons[i].empty() && (!std::isfinite(sum) || sum == 0)) {
        throw InputError(fmt::format(
            "{}: its features are {}; check the checkpoint and this image",
            Printable(
                (plan_.list.root / plan_.list.paths[static_cast<std::size_t>(first + i)]).string()),
            sum == 0 ? "all zero" : "not finite"));
      }
    }
  }

  const ExtractConfig& config_;
  const Compute& compute_;
  const Plan& plan_;
  WorkerPool pool_;
};

// Joins the shards into OUT in list order without holding all features in memory.
ExtractResult Merge(const ExtractConfig& config, const Plan& plan, const ShardStore& store) {
  std::vector<std::int32_t> labels;
  std::vector<std::string> paths;
  std::vector<SkippedImage> skipped;
  Sha256 content;
  const auto read = [&](std::int64_t shard) {
    auto part = store.Read(shard, plan.width, plan.ImagesIn(shard));
    if (!part) {
      throw InputError(
          fmt::format("{}.parts: shard {} is not there or incomplete; --out must be in a folder "
                      "that every rank sees",
                      config.out.string(), shard));
    }
    return std::move(*part);
  };
  for (std::int64_t shard = 0; shard < plan.shards; ++shard) {
    const Shard part = read(shard);
    content.Update(std::as_bytes(std::span(part.features)));
    for (std::int64_t row : part.rows) {
      labels.push_back(plan.list.labels.at(static_cast<std::size_t>(row)));
      paths.push_back(plan.list.paths.at(static_cast<std::size_t>(row)));
    }
    skipped.insert(skipped.end(), part.skipped.begin(), part.skipped.end());
  }
  if (labels.empty()) {
    throw InputError(fmt::format("{}: not one image could be read", config.images.string()));
  }
  content.Update(std::as_bytes(std::span(labels)));

  const auto width = static_cast<hsize_t>(plan.width);
  H5Writer file(config.out);
  WriteHeader(file, kFeatureFormat, plan.made_from);
  file.Attribute("content_sha256", content.Hex());
  file.CreateRows("features", labels.size(), width, config.dtype);
  hsize_t row = 0;
  for (std::int64_t shard = 0; shard < plan.shards; ++shard) {
    const Shard part = read(shard);
    file.AppendRows("features", row, width, part.features);
    row += part.rows.size();
  }
  file.Write("labels", {labels.size()}, labels);
  file.Write("paths", paths);
  file.Write("classes", plan.list.classes);
  WriteSkipped(file, skipped);
  file.Commit();
  ExtractResult result;
  result.images = static_cast<std::int64_t>(labels.size());
  result.skipped = static_cast<std::int64_t>(skipped.size());
  return result;
}

ExtractResult Describe(const ExtractConfig& config, const Plan& plan) {
  ExtractResult result;
  const H5Reader file(config.out);
  result.images = static_cast<std::int64_t>(file.Shape("features")[0]);
  result.skipped = plan.list.size() - result.images;
  result.width = plan.width;
  result.classes = static_cast<std::int64_t>(plan.list.classes.size());
  result.sha256 = file.seal();
  return result;
}

// What was made with `skip` is not what `fail` asks for.
void RefuseSkipped(const ExtractConfig& config, std::int64_t skipped) {
  if (config.skip_bad_images || skipped == 0) return;
  throw InputError(
      fmt::format("{}: was made with --on-bad-image skip and lacks {} unreadable images; give that "
                  "again, or mend the "
                  "images",
                  config.out.string(), skipped));
}

}  // namespace

std::int64_t ShardImages(std::int64_t images, std::int64_t batch) {
  const std::int64_t wanted =
      std::max(kFewestShardImages, (images + kWantedShards - 1) / kWantedShards);
  return std::min(kMostShardImages, (wanted + batch - 1) / batch * batch);
}

ExtractResult RunExtract(const ExtractConfig& config, const Compute& compute, Comm& comm) {
  Plan plan;
  Agree(comm, [&] { plan = MakePlan(config, compute); });
  const StageOutput output =
      OpenOutput(comm, config.out, kFeatureFormat, plan.made_from, config.if_present);
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
    });
    result.reused_output = true;
    return result;
  }

  // Each rank looks at some of the shards; the sum tells every rank which are done.
  std::vector<std::int64_t> done(static_cast<std::size_t>(plan.shards), 0);
  Agree(comm, [&] {
    for (std::int64_t shard : ItemsOfRank(plan.shards, comm)) {
      const auto part = store.Read(shard, plan.width, plan.ImagesIn(shard));
      if (part) RefuseSkipped(config, static_cast<std::int64_t>(part->skipped.size()));
      done[static_cast<std::size_t>(shard)] = part.has_value() ? 1 : 0;
    }
  });
  comm.SumInt64(done);
  std::vector<std::int64_t> remaining;
  for (std::int64_t shard = 0; shard < plan.shards; ++shard) {
    if (done[static_cast<std::size_t>(shard)] == 0) remaining.push_back(shard);
  }
  const std::vector<std::int64_t> mine =
      ItemsOfRank(static_cast<std::int64_t>(remaining.size()), comm);
  LogInfo(
      "extract: {} images in {} shards, {} on disk already, {} for this rank; {} worker(s) on {}",
      plan.list.size(), plan.shards, plan.shards - static_cast<std::int64_t>(remaining.size()),
      mine.size(), compute.workers, compute.device);

  std::int64_t my_images = 0;
  for (std::int64_t item : mine) {
    my_images += plan.ImagesIn(remaining[static_cast<std::size_t>(item)]);
  }
  const std::string label =
      comm.size() > 1 ? fmt::format("extract (rank 0 of {})", comm.size()) : std::string("extract");
  {
    Progress progress(label, "images", my_images, comm.is_root());
    ShardEncoder encoder(config, compute, plan);
    std::int64_t before = 0;
    for (std::int64_t item : mine) {
      ThrowIfInterrupted();
      const std::int64_t shard = remaining[static_cast<std::size_t>(item)];
      Shard part =
          encoder.Run(shard, [&](std::int64_t images) { progress.Update(before + images); });
      store.Write(shard, part, plan.width);
      before += plan.ImagesIn(shard);
    }
  }
  ExtractResult result;
  Agree(comm, [] {});  // every shard is on disk
  Agree(comm, [&] {
    if (!comm.is_root()) return;
    const ExtractResult merged = Merge(config, plan, store);
    store.RemoveAll();
    if (merged.skipped > 0) {
      LogWarning("extract: {} of {} images could not be read and were left out; {} lists them",
                 merged.skipped, plan.list.size(), config.out.string());
    }
  });
  Agree(comm, [&] { result = Describe(config, plan); });
  result.shards_computed = static_cast<std::int64_t>(remaining.size());
  result.shards_reused = plan.shards - result.shards_computed;
  return result;
}

}  // namespace clipsweep
