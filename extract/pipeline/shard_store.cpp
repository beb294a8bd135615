#include "extract/pipeline/shard_store.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "common/compute/half.h"
#include "common/process/error.h"
#include "common/process/log.h"

namespace clipsweep {

namespace fs = std::filesystem;

namespace {

// Whether a row is the same but for rounding: numbers beyond half precision's range become
// infinite, those below it zero or coarse.
bool KeepsItsDirection(std::span<const float> row, std::span<const float> rounded) {
  constexpr double kMostError = 0.005;  // of the row's length; of a row in range it is below 0.0005
  double error = 0, length = 0;
  for (std::size_t d = 0; d < row.size(); ++d) {
    const double value = row[d], difference = value - rounded[d];
    error += difference * difference;
    length += value * value;
  }
  return error <= kMostError * kMostError * length;
}

}  // namespace

ShardStore::ShardStore(const fs::path& out, Provenance made_from, FloatKind kind,
                       std::int64_t shard_images)
    : folder_(out), made_from_(std::move(made_from)), kind_(kind), shard_images_(shard_images) {
  made_from_["shard_images"] = std::to_string(shard_images);
}

fs::path ShardStore::PathOf(std::int64_t shard) const {
  return folder_ / fmt::format("shard-{:05}.h5", shard);
}

void ShardStore::Prepare(bool fresh) const {
  if (fresh) RemoveAll();
  folder_.Make();
  for (const fs::path& path : folder_.Files()) {
    try {
      const H5Reader file(path, Seal::kOfAPart);
      CheckHeader(file, kShardFormat);
      const std::string difference = Difference(ReadProvenance(file), made_from_);
      if (!difference.empty()) {
        throw UsageError(
            fmt::format("{}: holds shards made otherwise: {}; give --fresh to drop them",
                        folder_.string(), Printable(difference)));
      }
    } catch (const Error& error) {
      if (error.code() == ExitCode::kUsage) throw InputError(error.what());
      if (error.code() != ExitCode::kBadInput) throw;
      LogWarning("{}; it will be computed again", error.what());
      fs::remove(path);
    }
  }
}

void ShardStore::Write(std::int64_t shard, const Shard& content, std::int64_t width) const {
  std::vector<float> features = content.features;
  if (kind_ == FloatKind::kF16) {
    RoundToHalf(features);  // to nearest even; HDF5's own conversion rounds otherwise
    for (std::size_t i = 0; i < content.rows.size(); ++i) {
      const auto row = [&](const std::vector<float>& all) {
        return std::span(all).subspan(i * static_cast<std::size_t>(width),
                                      static_cast<std::size_t>(width));
      };
      if (KeepsItsDirection(row(content.features), row(features))) continue;
      throw InputError(
          fmt::format("--dtype f16: the features of image {} are too large or too small for half "
                      "precision; use f32",
                      content.rows[i]));
    }
  }
  H5Writer file(PathOf(shard));
  WriteHeader(file, kShardFormat, made_from_);
  file.Write("rows", {content.rows.size()}, content.rows);
  file.Write("features", {content.rows.size(), static_cast<hsize_t>(width)}, features, kind_);
  WriteSkipped(file, content.skipped);
  WriteNoted(file, content.noted);
  std::vector<std::string> hashes;
  std::vector<FileStamp> stamps;
  for (const PictureRecord& picture : content.pictures) {
    hashes.push_back(picture.sha256);
    stamps.push_back(picture.stamp);
  }
  file.Write(kImageHashes, hashes);
  file.Write("times", {stamps.size(), 3}, FlattenStamps(stamps));
  file.Commit();
}

std::optional<Shard> ShardStore::Read(std::int64_t shard, std::int64_t width,
                                      std::int64_t images) const {
  if (!fs::exists(PathOf(shard))) return std::nullopt;
  const H5Reader file(PathOf(shard), Seal::kOfAPart);
  Shard content;
  content.rows = file.Int64s("rows");
  content.features = file.Floats("features");
  content.skipped = ReadSkipped(file);
  content.noted = ReadNoted(file);
  const auto hashes = file.Texts(kImageHashes);
  const auto stamps = UnflattenStamps(file.Int64s("times"));
  if (content.features.size() != content.rows.size() * static_cast<std::size_t>(width) ||
      hashes.size() != content.rows.size() + content.skipped.size() ||
      stamps.size() != hashes.size()) {
    file.Fail("its parts do not fit together; remove it and run again");
  }
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    content.pictures.push_back({hashes[i], stamps[i]});
  }
  // Rows and skipped images together must be the shard's range, each once.
  std::vector<std::int64_t> held = content.rows;
  for (const SkippedImage& image : content.skipped) held.push_back(image.index);
  std::sort(held.begin(), held.end());
  if (static_cast<std::int64_t>(held.size()) != images) return std::nullopt;
  for (std::int64_t i = 0; i < images; ++i) {
    if (held[static_cast<std::size_t>(i)] != shard * shard_images_ + i) return std::nullopt;
  }
  return content;
}

void ShardStore::RemoveAll() const { folder_.Remove(); }

}  // namespace clipsweep
