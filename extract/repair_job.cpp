#include "extract/repair_job.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <optional>
#include <set>
#include <sstream>

#include "common/compute/workers.h"
#include "common/disk/atomic_file.h"
#include "common/disk/output_lock.h"
#include "common/disk/plain_file.h"
#include "common/files/feature_file.h"
#include "common/hdf5/damage.h"
#include "common/hdf5/hdf5_file.h"
#include "common/process/child.h"
#include "common/process/error.h"
#include "common/process/liveness.h"
#include "common/process/log.h"
#include "extract/pipeline/picture_content.h"
#include "extract/pipeline/shard_encoder.h"
#include "extract/pipeline/shard_store.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;

constexpr int kSalvageSilenceSeconds = 300;  // a slow disk is no damage

using Send = std::function<void(const std::string&)>;

// What the damaged file says of itself.
struct Remains {
  Provenance made_from;
  std::string content_sha256, seal;  // "" when not readable
  bool skipped = false;              // it leaves images out
  std::string version;               // of the program that made it
};

std::string SealLine(const fs::path& path) {
  std::string block(kUserBlock, '\0');
  block.resize(PlainFile(path).ReadAt(0, block.data(), block.size()));
  const std::string line = block.substr(0, block.find('\n'));
  return line.size() > 64 ? line.substr(line.size() - 64) : "";
}

Remains ReadRemains(const fs::path& path) {
  const ChildResult child = RunInChild([&](const Send& send) {
    const H5Reader file(path, Seal::kCheckedBefore);
    CheckHeader(file, kFeatureFormat);
    std::string text;
    for (const auto& [name, value] : ReadProvenance(file)) text += name + "\n" + value + "\n";
    text += "content\n" + file.TextAttribute("content_sha256") + "\n";
    text += "version\n" + file.TextAttribute("program_version") + "\n";
    text += std::string("skipped\n") + (file.Has("skipped_index") ? "yes" : "no") + "\n";
    send(text);
  });
  if (!child.ended) {
    throw InputError(
        fmt::format("{}: is damaged where it says how it was made; run clipsweep "
                    "extract --fresh with the options it was made with",
                    path.string()));
  }
  Remains remains;
  std::istringstream lines(child.output);
  std::string name, value;
  while (std::getline(lines, name) && std::getline(lines, value)) remains.made_from[name] = value;
  remains.content_sha256 = remains.made_from.at("content");
  remains.skipped = remains.made_from.at("skipped") == "yes";
  remains.version = remains.made_from.at("version");
  remains.made_from.erase("content");
  remains.made_from.erase("version");
  remains.made_from.erase("skipped");
  remains.seal = SealLine(path);
  return remains;
}

// "3 random-resized-crop.. seed 7" -> 3 and 7.
void TakeViews(const std::string& text, ExtractConfig& job) {
  std::istringstream words(text);
  std::string word, last;
  words >> job.views;
  while (words >> word) last = word;
  std::from_chars(last.data(), last.data() + last.size(), job.seed);
}

ExtractConfig JobOf(const RepairConfig& config, const Remains& remains) {
  ExtractConfig job = config.job;
  const auto value = [&](const char* name) {
    const auto found = remains.made_from.find(name);
    if (found == remains.made_from.end()) {
      throw InputError(fmt::format("{}: does not say its {}: it was imported, not extracted",
                                   job.out.string(), name));
    }
    return found->second;
  };
  job.dtype = ParseFloatKind(value("dtype"));
  job.model.precision = value("precision");
  const std::string activation = value("activation");
  if (activation == "gelu" || activation == "quickgelu") job.model.activation = activation;
  job.batch = 0;
  const std::string batch = value("batch");
  std::from_chars(batch.data(), batch.data() + batch.size(), job.batch);
  if (remains.made_from.contains("views")) TakeViews(value("views"), job);
  if (remains.made_from.contains("max_pixels")) {
    const std::string most = value("max_pixels");
    std::from_chars(most.data(), most.data() + most.size(), job.model.decode.max_pixels);
  }
  job.skip_bad_images = job.skip_bad_images || remains.skipped;
  job.if_present = IfPresent::kReplaceIfOther;
  return job;
}

// In the child: writes every shard all of whose rows can be read. Sends a line for each.
void Salvage(const fs::path& path, const ExtractPlan& plan, const ShardStore& store,
             const std::vector<PictureRecord>& pictures, const Send& send) {
  const H5Reader file(path, Seal::kCheckedBefore);
  const auto skipped = ReadSkipped(file);
  const auto noted = ReadNoted(file);
  std::set<std::int64_t> left_out;
  for (const SkippedImage& image : skipped) left_out.insert(image.index);
  const auto width = static_cast<hsize_t>(plan.width);
  const auto further = static_cast<hsize_t>(plan.row_width() - plan.width);
  hsize_t row = 0;
  for (std::int64_t number = 0; number < plan.shards; ++number) {
    Shard shard;
    const std::int64_t first = number * plan.shard_images, end = first + plan.ImagesIn(number);
    for (std::int64_t image = first; image < end; ++image) {
      shard.pictures.push_back(pictures[static_cast<std::size_t>(image)]);
      if (!left_out.contains(image)) shard.rows.push_back(image);
    }
    for (const SkippedImage& image : skipped) {
      if (image.index >= first && image.index < end) shard.skipped.push_back(image);
    }
    for (const NotedImage& image : noted) {
      if (image.index >= first && image.index < end) shard.noted.push_back(image);
    }
    const hsize_t start = row;
    row += shard.rows.size();
    try {
      std::vector<float> plain(shard.rows.size() * width), views(shard.rows.size() * further);
      file.FloatRows("features", start, width, plain);
      if (further > 0) file.FloatRows("views", start, further, views);
      for (std::size_t i = 0; i < shard.rows.size(); ++i) {
        const auto at = static_cast<std::ptrdiff_t>(i);
        const auto w = static_cast<std::ptrdiff_t>(width), f = static_cast<std::ptrdiff_t>(further);
        shard.features.insert(shard.features.end(), plain.begin() + at * w,
                              plain.begin() + (at + 1) * w);
        shard.features.insert(shard.features.end(), views.begin() + at * f,
                              views.begin() + (at + 1) * f);
      }
    } catch (const Error&) {
      send("lost\n");
      continue;
    }
    store.Write(number, shard, plan.row_width());
    send("shard\n");
  }
}

std::vector<PictureRecord> RecordPictures(const ImageList& list, const Compute& compute) {
  std::vector<PictureRecord> pictures(static_cast<std::size_t>(list.size()));
  WorkerPool(compute.workers).Run(list.size(), [&](std::int64_t image, int) {
    const auto at = static_cast<std::size_t>(image);
    pictures[at] = RecordPicture(list.root / list.paths[at]);
  });
  return pictures;
}

void RefuseOtherPictures(const fs::path& damaged, const Remains& remains,
                         const std::vector<PictureRecord>& pictures) {
  const auto was = remains.made_from.find(kImagesSha256);
  if (was == remains.made_from.end()) return;
  std::vector<std::string> hashes;
  for (const PictureRecord& picture : pictures) hashes.push_back(picture.sha256);
  if (PicturesSha256(hashes) == was->second) return;
  throw InputError(
      fmt::format("{}: was made from other input: the pictures have the same names but not all the "
                  "same content; give those it was made from",
                  damaged.string()));
}

// Rank 0. Throws InputError when model or images are others.
void PrepareShards(const fs::path& damaged, const ExtractConfig& job, const Compute& compute,
                   const Remains& remains) {
  const ExtractPlan plan = MakeExtractPlan(job, compute);
  const std::string difference = Difference(remains.made_from, plan.made_from);
  if (!difference.empty()) {
    throw InputError(fmt::format("{}: was made from other input: {}; give what it was made from",
                                 damaged.string(), Printable(difference)));
  }
  const std::vector<PictureRecord> pictures = RecordPictures(plan.list, compute);
  RefuseOtherPictures(damaged, remains, pictures);
  const OutputLock lock(job.out);
  const ShardStore store(job.out, plan.made_from, job.dtype, plan.shard_images);
  store.Prepare(/*fresh=*/true);
  // What a crash of HDF5 over a damaged file leaves is sealed shards and perhaps one temporary.
  const ChildResult child =
      RunInChild([&](const Send& send) { Salvage(damaged, plan, store, pictures, send); },
                 kSalvageSilenceSeconds);
  if (!child.ended) LogWarning("{}: not all sound rows could be saved", damaged.string());
}

// Whether `made` is the file that was damaged. The seal says so of every byte; where a few of its
// own digits are what is damaged, or another version made the file, the content hash does.
bool IsTheSame(const ExtractResult& made, const fs::path& path, const Remains& remains) {
  if (made.sha256 == remains.seal) return true;
  std::size_t unlike = 0;
  for (std::size_t i = 0; i < made.sha256.size(); ++i) {
    unlike += i >= remains.seal.size() || made.sha256[i] != remains.seal[i] ? 1 : 0;
  }
  constexpr std::size_t kFewDigits = 8;  // two hashes differ in about 60
  if (unlike > kFewDigits && remains.version == kVersion) return false;
  return H5Reader(path).TextAttribute("content_sha256") == remains.content_sha256;
}

}  // namespace

RepairResult RunRepair(const RepairConfig& config, const Compute& compute, Comm& comm) {
  EnterStage("repair: salvage");
  RepairResult result;
  const fs::path& path = config.job.out;
  Remains remains;
  ExtractConfig job;
  Agree(comm, [&] {
    if (comm.is_root()) result.damage = LocateDamage(path).Describe();
    remains = ReadRemains(path);
    job = JobOf(config, remains);
  });
  // Beside the damaged file, which is replaced once the new one has been found to be it.
  job.out = path.string() + ".repaired";
  Agree(comm, [&] {
    if (comm.is_root()) PrepareShards(path, job, compute, remains);
  });
  ExtractResult made = RunExtract(job, compute, comm);
  const auto same = [&] {
    std::int64_t answer = 0;
    Agree(comm, [&] {
      if (comm.is_root()) answer = IsTheSame(made, job.out, remains) ? 1 : 0;
    });
    comm.Broadcast(std::as_writable_bytes(std::span(&answer, 1)), 0);
    return answer != 0;
  };
  bool found = same();
  if (!found) {
    job.if_present = IfPresent::kRecompute;  // rows that looked sound may not have been
    made = RunExtract(job, compute, comm);
    found = same();
  }
  Agree(comm, [&] {
    if (!comm.is_root()) return;
    if (!found) {
      RemoveTemporary(job.out);
      throw InputError(fmt::format(
          "{}: computed again it is not the file it was: it is damaged where it says how it was "
          "made, or comes from another kind of processor; run clipsweep extract --fresh",
          path.string()));
    }
    const OutputLock lock(path);
    CommitFile(job.out, path);
    RemoveTemporary(TimesOf(job.out));  // of a name that is gone; the next run reads the pictures
  });
  result.shards = made.shards_computed + made.shards_reused;
  result.shards_computed = made.shards_computed;
  result.identical = made.sha256 == remains.seal;
  return result;
}

}  // namespace clipsweep
