#include "common/feature_file.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "common/error.h"
#include "common/half.h"
#include "common/log.h"
#include "common/sha256.h"

namespace clipsweep {
namespace {

constexpr std::int64_t kPieceBytes = 4 << 20;

// Finite and not of zero length.
bool IsGood(std::span<const float> row) {
  double sum = 0;
  for (const double value : row) sum += value * value;
  return std::isfinite(sum) && sum != 0;
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

FeatureReader::FeatureReader(const std::filesystem::path& path) : file_(path) {
  CheckHeader(file_, kFeatureFormat);
  about_.path = path;
  const auto shape = file_.Shape("features");
  if (shape.size() != 2 || shape[0] == 0 || shape[1] == 0) file_.Fail("'features' must be [N, D]");
  about_.count = static_cast<std::int64_t>(shape[0]);
  about_.width = static_cast<std::int64_t>(shape[1]);
  about_.labels = file_.Int32s("labels");
  about_.paths = file_.Texts("paths");
  about_.classes = file_.Texts("classes");
  about_.made_from = ReadProvenance(file_);
  about_.content_sha256 = file_.TextAttribute("content_sha256");
  if (about_.labels.size() != shape[0] || about_.paths.size() != shape[0]) {
    file_.Fail(fmt::format("{} rows of features but {} labels and {} paths", shape[0],
                           about_.labels.size(), about_.paths.size()));
  }
  for (std::size_t i = 0; i < about_.labels.size(); ++i) {
    if (about_.labels[i] < 0 ||
        static_cast<std::size_t>(about_.labels[i]) >= about_.classes.size()) {
      file_.Fail(
          fmt::format("row {} ({}) has label {}, outside its {} classes; make the file again", i,
                      Printable(about_.paths[i]), about_.labels[i], about_.classes.size()));
    }
  }
  about_.skipped = ReadSkipped(file_);
}

void FeatureReader::ForEachRow(const UseRow& use) const {
  const std::int64_t width = about_.width;
  const std::int64_t piece = std::max<std::int64_t>(1, kPieceBytes / (4 * width));
  std::vector<float> rows;
  Sha256 hash;
  for (std::int64_t first = 0; first < about_.count; first += piece) {
    const std::int64_t count = std::min(piece, about_.count - first);
    rows.resize(static_cast<std::size_t>(count * width));
    file_.FloatRows("features", static_cast<hsize_t>(first), static_cast<hsize_t>(width), rows);
    hash.Update(std::as_bytes(std::span(rows)));
    for (std::int64_t i = 0; i < count; ++i) {
      const std::span<const float> row(rows.data() + i * width, static_cast<std::size_t>(width));
      if (!IsGood(row)) {
        file_.Fail(fmt::format(
            "row {} ({}) is not finite or all zero; look at that image and extract again",
            first + i, Printable(about_.paths[static_cast<std::size_t>(first + i)])));
      }
      use(first + i, row);
    }
  }
  hash.Update(std::as_bytes(std::span(about_.labels)));
  if (hash.Hex() != about_.content_sha256) {
    file_.Fail("features and labels do not match their content_sha256; make the file again");
  }
}

FeatureSet ReadFeatureFile(const std::filesystem::path& path) {
  const FeatureReader reader(path);
  FeatureSet set = reader.about();
  set.features.reserve(static_cast<std::size_t>(set.count * set.width));
  reader.ForEachRow([&](std::int64_t, std::span<const float> row) {
    set.features.insert(set.features.end(), row.begin(), row.end());
  });
  return set;
}

void NormalizeRow(std::span<float> row) {
  double sum = 0;
  for (const float value : row) sum += static_cast<double>(value) * value;
  const double scale = 1.0 / std::sqrt(sum);
  for (float& value : row) value = static_cast<float>(value * scale);
}

void NormalizeRows(std::vector<float>& rows, std::int64_t width) {
  const auto d = static_cast<std::size_t>(width);
  for (std::size_t at = 0; at + d <= rows.size(); at += d) NormalizeRow({rows.data() + at, d});
}

}  // namespace clipsweep
