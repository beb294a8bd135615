#include "extract/pipeline/merge_shards.h"

#include <fmt/core.h>

#include <span>
#include <string>

#include "common/files/feature_file.h"
#include "common/process/error.h"

namespace clipsweep {

MergedShards MergeShards(const ExtractPlan& plan, const ShardStore& store,
                         const std::filesystem::path& out) {
  const auto width = static_cast<std::size_t>(plan.width);
  std::vector<std::int32_t> labels;
  std::vector<std::string> paths;
  std::vector<SkippedImage> skipped;
  std::vector<NotedImage> noted;
  std::vector<std::string> all_hashes, hashes;  // of all images, of those with a row
  MergedShards merged;
  FeatureHash content(plan.views);
  const auto read = [&](std::int64_t shard) {
    auto part = store.Read(shard, plan.row_width(), plan.ImagesIn(shard));
    if (!part) {
      throw InputError(
          fmt::format("{}.parts: shard {} is not there or incomplete; --out must be in a folder "
                      "that every rank sees",
                      out.string(), shard));
    }
    return std::move(*part);
  };
  for (std::int64_t shard = 0; shard < plan.shards; ++shard) {
    const Shard part = read(shard);
    for (std::size_t at = 0; at < part.features.size();) {
      const std::span<const float> row(part.features.data() + at,
                                       static_cast<std::size_t>(plan.row_width()));
      content.Row(row.first(width), row.subspan(width));
      at += row.size();
    }
    for (std::int64_t row : part.rows) {
      labels.push_back(plan.list.labels.at(static_cast<std::size_t>(row)));
      paths.push_back(plan.list.paths.at(static_cast<std::size_t>(row)));
      const std::int64_t place = row - shard * plan.shard_images;
      hashes.push_back(part.pictures.at(static_cast<std::size_t>(place)).sha256);
    }
    for (const PictureRecord& picture : part.pictures) {
      all_hashes.push_back(picture.sha256);
      merged.stamps.push_back(picture.stamp);
    }
    skipped.insert(skipped.end(), part.skipped.begin(), part.skipped.end());
    noted.insert(noted.end(), part.noted.begin(), part.noted.end());
  }
  if (labels.empty()) {
    throw InputError(fmt::format("{}: not one image could be read", plan.list.root.string()));
  }
  Provenance made_from = plan.made_from;
  made_from[kImagesSha256] = PicturesSha256(all_hashes);
  H5Writer file(out);
  WriteHeader(file, kFeatureFormat, made_from);
  file.Attribute("content_sha256", content.Hex(labels));
  const std::size_t further = static_cast<std::size_t>(plan.row_width()) - width;
  file.CreateRows("features", labels.size(), width, plan.dtype);
  if (plan.views > 1) {
    file.Attribute("views", plan.views);
    file.CreateRows("views", labels.size(), further, plan.dtype);
  }
  hsize_t first = 0;
  for (std::int64_t shard = 0; shard < plan.shards; ++shard) {
    const Shard part = read(shard);
    std::vector<float> plain, views;
    for (auto row = part.features.begin(); row != part.features.end();) {
      plain.insert(plain.end(), row, row + plan.width);
      views.insert(views.end(), row + plan.width, row + plan.row_width());
      row += plan.row_width();
    }
    file.AppendRows("features", first, width, plain);
    if (plan.views > 1) file.AppendRows("views", first, further, views);
    first += part.rows.size();
  }
  file.Write("labels", {labels.size()}, labels);
  file.Write("paths", paths);
  file.Write("classes", plan.list.classes);
  file.Write(kImageHashes, hashes);
  WriteSkipped(file, skipped);
  WriteNoted(file, noted);
  file.Commit();
  merged.skipped = static_cast<std::int64_t>(skipped.size());
  return merged;
}

}  // namespace clipsweep
