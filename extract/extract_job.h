// The image stage: a folder of images and a checkpoint -> features.h5. Images are dealt to ranks in
// shards of at most 512; each finished shard is a sealed file in OUT.parts/, so a killed job loses
// at most the shards in flight, and a later one at any rank count goes on from the rest. The
// result's bytes depend on neither.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "common/comm/comm.h"
#include "common/compute/device.h"
#include "common/data/left_out.h"
#include "common/files/provenance.h"
#include "common/files/shared_pictures.h"
#include "common/hdf5/hdf5_file.h"
#include "extract/checkpoints/checkpoint.h"
#include "extract/models/model_options.h"
#include "extract/pipeline/extract_plan.h"
#include "extract/pipeline/image_notes.h"

namespace clipsweep {

// Images of one shard: 512, or for lists under 16,384 images about a 32nd of them, so that few
// images keep several ranks busy. A whole number of batches; depends on the list alone, never on
// the ranks.
std::int64_t ShardImages(std::int64_t images, std::int64_t batch);

// A batch is at most a shard.
inline constexpr std::int64_t kMostBatch = 512;

// 8 on a CPU (where more was measured to be slower), 128 on a GPU.
std::int64_t DefaultBatch(const Compute& compute);

// How images become features, whichever images.
struct ExtractSettings {
  std::int64_t batch = 0;  // images an encoder call, part of what is computed; 0: DefaultBatch
  int decode_workers = 0;  // threads that read and decode; 0: as many as the rank computes with
  FloatKind dtype = FloatKind::kF32;
  std::int64_t views = 1;  // of each image: the plain one and views - 1 augmented ones
  bool skip_bad_images = false;
  std::int64_t max_bad =
      -1;  // with skip_bad_images: more unreadable images stop the job; -1: any number
};

// Throws UsageError naming the option.
void CheckExtractSettings(const ExtractSettings& settings);

struct ExtractConfig : ExtractSettings {
  ModelOptions model;
  std::filesystem::path images;      // ImageFolder root
  std::filesystem::path list;        // optional list file
  std::filesystem::path classnames;  // optional: fixes classes and their order
  std::filesystem::path out;
  std::uint64_t seed = 1;  // of the augmented views
  IfPresent if_present = IfPresent::kReuse;
};

struct ExtractResult {
  std::int64_t images = 0;  // rows in the file
  std::int64_t skipped = 0;
  NoteCounts image_warnings{};  // images of each kind of note, whenever they were read
  std::int64_t width = 0;
  std::int64_t views = 1;
  std::int64_t classes = 0;
  std::int64_t shards_reused = 0;
  std::int64_t shards_computed = 0;
  double decode_seconds = 0;  // of this run, summed over ranks and threads
  double encode_seconds = 0;
  double pipeline_seconds = 0;  // from the first image to the last shard, of the slowest rank
  Duplicates duplicates;        // the same picture more than once
  bool reused_output = false;   // OUT was there already, made from the same input
  std::string sha256;           // of the file's sealed bytes
  LeftOut left_out;             // of the image folder
  std::int64_t classes_without_images = 0;
  std::vector<std::string> model_remarks;  // what is odd about the checkpoint
};

// model, model_sha256, preprocess, activation, precision: what features of this checkpoint say of
// how they are made.
Provenance MakingOf(const Checkpoint& checkpoint, const ModelOptions& options);

// Pictures, model and shards, before any work: the list is read, the checkpoint opened and hashed,
// no encoder built. Throws Error naming the option or file.
ExtractPlan MakeExtractPlan(const ExtractConfig& config, const Compute& compute);

ExtractResult RunExtract(const ExtractConfig& config, const Compute& compute, Comm& comm);

}  // namespace clipsweep
