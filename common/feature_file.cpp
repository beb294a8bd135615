#include "common/feature_file.h"

#include <fmt/core.h>

#include <cmath>
#include <utility>

#include "common/error.h"
#include "common/half.h"
#include "common/log.h"
#include "common/sha256.h"

namespace clipsweep {
namespace {

// The first row with a value that is not finite, or of zero length; -1 when all are fine.
std::int64_t FirstBadRow(const std::vector<float>& rows, std::int64_t width) {
  for (std::size_t at = 0; at < rows.size(); at += static_cast<std::size_t>(width)) {
    double sum = 0;
    for (std::int64_t d = 0; d < width; ++d) {
      const double value = rows[at + static_cast<std::size_t>(d)];
      sum += value * value;
    }
    if (!std::isfinite(sum) || sum == 0) return static_cast<std::int64_t>(at) / width;
  }
  return -1;
}

}  // namespace

void WriteSkipped(H5Writer& file, const std::vector<SkippedImage>& skipped) {
  if (skipped.empty()) return;
  std::vector<std::int64_t> indices;
  std::vector<std::string> paths, reasons;
  for (const SkippedImage& image : skipped) {
    indices.push_back(image.index);
    paths.push_back(image.path);
    reasons.push_back(image.reason);
  }
  file.Write("skipped_index", {indices.size()}, indices);
  file.Write("skipped_path", paths);
  file.Write("skipped_reason", reasons);
}

std::vector<SkippedImage> ReadSkipped(const H5Reader& file) {
  std::vector<SkippedImage> skipped;
  if (!file.Has("skipped_index")) return skipped;
  const auto indices = file.Int64s("skipped_index");
  const auto paths = file.Texts("skipped_path"), reasons = file.Texts("skipped_reason");
  if (paths.size() != indices.size() || reasons.size() != indices.size()) {
    file.Fail("the lists of skipped images differ in length");
  }
  for (std::size_t i = 0; i < indices.size(); ++i) {
    skipped.push_back({indices[i], paths[i], reasons[i]});
  }
  return skipped;
}

std::string FeatureContentSha256(const std::vector<float>& features,
                                 const std::vector<std::int32_t>& labels) {
  Sha256 hash;
  hash.Update(std::as_bytes(std::span(features)));
  hash.Update(std::as_bytes(std::span(labels)));
  return hash.Hex();
}

void WriteFeatureFile(const std::filesystem::path& path, FeatureSet set, FloatKind kind) {
  if (kind == FloatKind::kF16) RoundToHalf(set.features);
  const auto n = static_cast<hsize_t>(set.count), d = static_cast<hsize_t>(set.width);
  H5Writer file(path);
  WriteHeader(file, kFeatureFormat, set.made_from);
  file.Attribute("content_sha256", FeatureContentSha256(set.features, set.labels));
  file.Write("features", {n, d}, set.features, kind);
  file.Write("labels", {n}, set.labels);
  file.Write("paths", set.paths);
  file.Write("classes", set.classes);
  WriteSkipped(file, set.skipped);
  file.Commit();
}

FeatureSet ReadFeatureFile(const std::filesystem::path& path) {
  const H5Reader file(path);
  CheckHeader(file, kFeatureFormat);
  FeatureSet set;
  set.path = path;
  const auto shape = file.Shape("features");
  if (shape.size() != 2 || shape[0] == 0 || shape[1] == 0) file.Fail("'features' must be [N, D]");
  set.count = static_cast<std::int64_t>(shape[0]);
  set.width = static_cast<std::int64_t>(shape[1]);
  set.features = file.Floats("features");
  set.labels = file.Int32s("labels");
  set.paths = file.Texts("paths");
  set.classes = file.Texts("classes");
  set.made_from = ReadProvenance(file);
  set.content_sha256 = file.TextAttribute("content_sha256");
  if (set.labels.size() != shape[0] || set.paths.size() != shape[0]) {
    file.Fail(fmt::format("{} rows of features but {} labels and {} paths", shape[0],
                          set.labels.size(), set.paths.size()));
  }
  for (std::size_t i = 0; i < set.labels.size(); ++i) {
    if (set.labels[i] < 0 || static_cast<std::size_t>(set.labels[i]) >= set.classes.size()) {
      file.Fail(fmt::format("row {} ({}) has label {}, outside its {} classes; make the file again",
                            i, Printable(set.paths[i]), set.labels[i], set.classes.size()));
    }
  }
  if (const std::int64_t bad = FirstBadRow(set.features, set.width); bad >= 0) {
    file.Fail(
        fmt::format("row {} ({}) is not finite or all zero; look at that image and extract again",
                    bad, Printable(set.paths[static_cast<std::size_t>(bad)])));
  }
  if (FeatureContentSha256(set.features, set.labels) != set.content_sha256) {
    file.Fail("features and labels do not match their content_sha256; make the file again");
  }
  set.skipped = ReadSkipped(file);
  return set;
}

void NormalizeRows(std::vector<float>& rows, std::int64_t width) {
  const auto d = static_cast<std::size_t>(width);
  for (std::size_t at = 0; at + d <= rows.size(); at += d) {
    double sum = 0;
    for (std::size_t i = 0; i < d; ++i) sum += static_cast<double>(rows[at + i]) * rows[at + i];
    const double scale = 1.0 / std::sqrt(sum);
    for (std::size_t i = 0; i < d; ++i) rows[at + i] = static_cast<float>(rows[at + i] * scale);
  }
}

}  // namespace clipsweep
