#include "common/files/feature_file.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "common/compute/half.h"
#include "common/data/name_match.h"
#include "common/disk/sha256.h"
#include "common/process/error.h"
#include "common/process/liveness.h"
#include "common/process/log.h"

namespace clipsweep {
namespace {

constexpr std::int64_t kPieceBytes = 4 << 20;

}  // namespace

void WriteSkipped(H5Writer& file, const std::vector<SkippedImage>& skipped) {
  if (skipped.empty()) return;
  std::vector<std::int64_t> indices;
  std::vector<std::string> paths, reasons, hashes;
  for (const SkippedImage& image : skipped) {
    indices.push_back(image.index);
    paths.push_back(image.path);
    reasons.push_back(image.reason);
    hashes.push_back(image.sha256);
  }
  file.Write("skipped_index", {indices.size()}, indices);
  file.Write("skipped_path", paths);
  file.Write("skipped_reason", reasons);
  file.Write("skipped_sha256", hashes);
}

std::vector<SkippedImage> ReadSkipped(const H5Reader& file) {
  std::vector<SkippedImage> skipped;
  if (!file.Has("skipped_index")) return skipped;
  const auto indices = file.Int64s("skipped_index");
  const auto paths = file.Texts("skipped_path"), reasons = file.Texts("skipped_reason");
  const auto hashes = file.Has("skipped_sha256") ? file.Texts("skipped_sha256")
                                                 : std::vector<std::string>(indices.size());
  if (paths.size() != indices.size() || reasons.size() != indices.size() ||
      hashes.size() != indices.size()) {
    file.Fail("the lists of skipped images differ in length");
  }
  for (std::size_t i = 0; i < indices.size(); ++i) {
    if (indices[i] < 0) file.Fail("a skipped image has a number below 0");
    skipped.push_back({indices[i], paths[i], reasons[i], hashes[i]});
  }
  return skipped;
}

void FeatureHash::Row(std::span<const float> plain, std::span<const float> further) {
  plain_.Update(std::as_bytes(plain));
  if (views_ > 1) further_.Update(std::as_bytes(further));
}

std::string FeatureHash::Hex(const std::vector<std::int32_t>& labels) {
  plain_.Update(std::as_bytes(std::span(labels)));
  if (views_ > 1) plain_.Update(further_.Hex());
  return plain_.Hex();
}

void WriteFeatureFile(const std::filesystem::path& path, FeatureSet set, FloatKind kind) {
  if (kind == FloatKind::kF16) RoundToHalf(set.features);
  const auto n = static_cast<hsize_t>(set.count), d = static_cast<hsize_t>(set.width);
  H5Writer file(path);
  WriteHeader(file, kFeatureFormat, set.made_from);
  FeatureHash hash(1);
  hash.Row(set.features, {});
  file.Attribute("content_sha256", hash.Hex(set.labels));
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
  if (file_.HasAttribute("views")) {
    about_.views = file_.IntAttribute("views");
    const auto views = file_.Shape("views");
    if (about_.views < 2 || views.size() != 2 || views[0] != shape[0] ||
        views[1] != shape[1] * static_cast<hsize_t>(about_.views - 1)) {
      file_.Fail("'views' must be [N, (views - 1) D]");
    }
  }
  about_.labels = file_.Int32s("labels");
  about_.paths = file_.Texts("paths");
  about_.classes = file_.Texts("classes");
  for (std::string& name : about_.classes) name = ToNfc(name);  // of other programs' files
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
  const auto width = static_cast<std::size_t>(about_.width);
  const std::size_t further = width * static_cast<std::size_t>(about_.views - 1);
  const std::int64_t piece =
      std::max<std::int64_t>(1, kPieceBytes / static_cast<std::int64_t>(4 * (width + further)));
  std::vector<float> plain, views, row(width + further);
  FeatureHash hash(about_.views);
  for (std::int64_t first = 0; first < about_.count; first += piece) {
    const auto count = static_cast<std::size_t>(std::min(piece, about_.count - first));
    MadeProgress();
    plain.resize(count * width);
    views.resize(count * further);
    file_.FloatRows("features", static_cast<hsize_t>(first), width, plain);
    if (further > 0) file_.FloatRows("views", static_cast<hsize_t>(first), further, views);
    for (std::size_t i = 0; i < count; ++i) {
      std::copy_n(plain.begin() + static_cast<std::ptrdiff_t>(i * width), width, row.begin());
      std::copy_n(views.begin() + static_cast<std::ptrdiff_t>(i * further), further,
                  row.begin() + about_.width);
      const std::span<const float> all(row);
      hash.Row(all.first(width), all.subspan(width));
      for (std::size_t at = 0; at < row.size(); at += width) {
        if (IsUsableRow(all.subspan(at, width))) continue;
        const auto number = static_cast<std::size_t>(first) + i;
        file_.Fail(
            fmt::format("row {} ({}) is not finite, all zero or all but zero; look at that image "
                        "and extract again",
                        number, Printable(about_.paths[number])));
      }
      use(first + static_cast<std::int64_t>(i), all);
    }
  }
  if (hash.Hex(about_.labels) != about_.content_sha256) {
    file_.Fail("features and labels do not match their content_sha256; make the file again");
  }
}

FeatureSet ReadFeatureFile(const std::filesystem::path& path) {
  const FeatureReader reader(path);
  FeatureSet set = reader.about();
  set.features.reserve(static_cast<std::size_t>(set.count * set.width));
  reader.ForEachRow([&](std::int64_t, std::span<const float> views) {
    set.features.insert(set.features.end(), views.begin(), views.begin() + set.width);
  });
  return set;
}

FeatureSet ReadCacheFile(const std::filesystem::path& path) {
  const FeatureReader reader(path);
  FeatureSet set = reader.about();
  const auto width = static_cast<std::size_t>(set.width);
  set.features.resize(static_cast<std::size_t>(set.count) * width);
  reader.ForEachRow([&](std::int64_t row, std::span<const float> views) {
    MeanOfViews(views, {set.features.data() + static_cast<std::size_t>(row) * width, width});
  });
  return set;
}

bool IsUsableRow(std::span<const float> row) {
  double sums[8] = {};  // side by side, for speed
  for (std::size_t i = 0; i < row.size(); ++i) sums[i % 8] += static_cast<double>(row[i]) * row[i];
  const double sum = std::accumulate(std::begin(sums), std::end(sums), 0.0);
  return std::isfinite(sum) && sum >= kLeastNorm * kLeastNorm;
}

void MeanOfViews(std::span<const float> views, std::span<float> mean) {
  const std::size_t count = views.size() / mean.size();
  if (count == 1) {
    std::copy(views.begin(), views.end(), mean.begin());
    return;
  }
  for (std::size_t d = 0; d < mean.size(); ++d) {
    double sum = 0;
    for (std::size_t v = 0; v < count; ++v) sum += views[v * mean.size() + d];
    mean[d] = static_cast<float>(sum / static_cast<double>(count));
  }
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
