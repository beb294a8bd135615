// features.h5: what the image encoder gave, with labels and where each row came from.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "common/disk/sha256.h"
#include "common/files/provenance.h"
#include "common/hdf5/hdf5_file.h"

namespace clipsweep {

inline constexpr const char* kFeatureFormat = "clipsweep-features";
inline constexpr const char* kImageHashes = "image_sha256";  // data set: text [N]

struct SkippedImage {
  std::int64_t index;  // position in the image list, before anything was left out
  std::string path;
  std::string reason;
  std::string sha256 = {};  // of the file's bytes; "" where it could not be opened
};

struct FeatureSet {
  std::int64_t count = 0;             // N
  std::int64_t width = 0;             // D
  std::int64_t views = 1;             // V; `features` are of the first, the plain image
  std::vector<float> features;        // [N, D] as the encoder gave them, not normalised
  std::vector<std::int32_t> labels;   // [N], 0 <= label < classes.size()
  std::vector<std::string> paths;     // [N], relative to the image folder
  std::vector<std::string> classes;   // [C], folder names in byte order
  std::vector<SkippedImage> skipped;  // unreadable images left out with --on-bad-image skip
  Provenance made_from;
  std::string content_sha256;  // of features (float32) and labels
  std::filesystem::path path;
};

// The data sets skipped_index, skipped_path, skipped_reason and skipped_sha256; nothing when the
// list is empty.
void WriteSkipped(H5Writer& file, const std::vector<SkippedImage>& skipped);
std::vector<SkippedImage> ReadSkipped(const H5Reader& file);

// content_sha256: SHA-256 over features (float32 little-endian), then labels (int32), then, with
// more views than one, the SHA-256 in hex over the further views' features, row by row.
// Independent of HDF5's layout.
class FeatureHash {
 public:
  explicit FeatureHash(std::int64_t views) : views_(views) {}
  // Rows in order: [D] and [(V - 1) D].
  void Row(std::span<const float> plain, std::span<const float> further);
  std::string Hex(const std::vector<std::int32_t>& labels);

 private:
  const std::int64_t views_;
  Sha256 plain_, further_;
};

// Writes and commits a file of one view. `set.features` is stored as `kind`; the content hash is of
// the rounded values.
void WriteFeatureFile(const std::filesystem::path& path, FeatureSet set, FloatKind kind);

// A feature file of any size: all but the features is read and checked at once, those in pieces.
// Throws InputError naming the file and the first offending image.
class FeatureReader {
 public:
  explicit FeatureReader(const std::filesystem::path& path);

  // All but the features.
  const FeatureSet& about() const { return about_; }

  // Calls use(row, views [V, D]) for every row in file order; checks that values are finite, that
  // no view is zero and, at the end, the content hash.
  using UseRow = std::function<void(std::int64_t row, std::span<const float> views)>;
  void ForEachRow(const UseRow& use) const;

 private:
  H5Reader file_;
  FeatureSet about_;
};

// Reads and checks everything: seal, shapes, labels within classes, finite values, no zero row.
// Throws InputError naming the file and the first offending image.
FeatureSet ReadFeatureFile(const std::filesystem::path& path);

// The same file as a cache: each row is the mean of its image's views.
FeatureSet ReadCacheFile(const std::filesystem::path& path);

// A row of features that can be scaled to unit length and mean something: finite, and not shorter
// than kLeastNorm (CLIP's own are about 10 long, normalised ones 1).
inline constexpr double kLeastNorm = 1e-6;
bool IsUsableRow(std::span<const float> row);

// Mean of `views` [V, D] into `mean` [D], in double precision inside.
void MeanOfViews(std::span<const float> views, std::span<float> mean);

// Rows scaled to unit length, in double precision inside.
void NormalizeRow(std::span<float> row);
void NormalizeRows(std::vector<float>& rows, std::int64_t width);

}  // namespace clipsweep
