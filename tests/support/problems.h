// Small random problems and folders for tests.
#pragma once

#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "common/compute/random.h"
#include "common/data/subsets.h"
#include "common/files/feature_file.h"
#include "sweep/engine/grid_engine.h"
#include "sweep/load_keys.h"
#include "sweep/math/key_columns.h"
#include "sweep/math/reference.h"

namespace clipsweep::testing {

// A folder of its own, removed at the end.
class TempFolder {
 public:
  TempFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "clipsweep-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline void WriteText(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

// Roughly normal, in [-6, 6].
inline float Noise(Random& random) {
  double sum = 0;
  for (int i = 0; i < 12; ++i) sum += static_cast<double>(random.Next() >> 11) * 0x1.0p-53;
  return static_cast<float>(sum - 6.0);
}

inline PassOptions Pass(Partition partition, int workers) {
  PassOptions options;
  options.partition = partition;
  options.compute.device = "cpu";
  options.compute.workers = workers;
  options.label = "test";
  return options;
}

struct SmallProblem {
  CacheModel cache_model;
  Queries queries;
  std::vector<std::vector<std::int64_t>> rows_by_class;
};

// Class centres with noise: accuracies are neither 0 nor 1. `uneven`: class c has 1 + c % per_class
// keys.
inline SmallProblem MakeSmallProblem(std::int64_t classes, std::int64_t per_class,
                                     std::int64_t samples, std::int64_t width,
                                     bool uneven = false) {
  SmallProblem small;
  CacheModel& p = small.cache_model;
  p.width = width;
  p.classes = classes;
  Random random(7, 1, 0);
  std::vector<float> centres(static_cast<std::size_t>(classes * width));
  for (float& value : centres) value = Noise(random);
  const auto near = [&](std::int64_t c, float spread, std::vector<float>& out) {
    for (std::int64_t d = 0; d < width; ++d) {
      out.push_back(centres[static_cast<std::size_t>(c * width + d)] + spread * Noise(random) +
                    2.0f);
    }
  };
  for (std::int64_t c = 0; c < classes; ++c) {
    near(c, 2.0f, p.text);
    const std::int64_t count = uneven ? 1 + c % per_class : per_class;
    for (std::int64_t k = 0; k < count; ++k) {
      near(c, 1.5f, p.keys);
      p.key_labels.push_back(static_cast<std::int32_t>(c));
    }
  }
  for (std::int64_t i = 0; i < samples; ++i) {
    near(i % classes, 2.0f, small.queries.features);
    small.queries.labels.push_back(static_cast<std::int32_t>(i % classes));
  }
  NormalizeRows(p.text, width);
  NormalizeRows(p.keys, width);
  NormalizeRows(small.queries.features, width);
  std::vector<std::string> names(static_cast<std::size_t>(classes), "c");
  small.rows_by_class = RowsByClass(p.key_labels, names, "test");
  return small;
}

// What a rank of --partition classes holds of it.
inline CacheModel ShareOf(const CacheModel& all, const std::vector<GridTask>& tasks, int rank,
                          int size) {
  CacheModel part = all;
  const std::vector<bool> used = UsedRows(all, tasks);
  part.held_classes = ShareOfClasses(all, used, rank, size);
  part.keys.clear();
  part.key_position.assign(used.size(), -1);
  for (std::size_t row = used.size(); row-- > 0;) {  // in no special order
    if (!used[row] || !part.held_classes.Has(all.key_labels[row])) continue;
    part.key_position[row] = static_cast<std::int64_t>(part.keys.size()) / all.width;
    const float* key = all.Key(static_cast<std::int64_t>(row));
    part.keys.insert(part.keys.end(), key, key + all.width);
  }
  return part;
}

inline double Dot(const float* a, const float* b, std::int64_t width) {
  double sum = 0;
  for (std::int64_t d = 0; d < width; ++d) sum += static_cast<double>(a[d]) * b[d];
  return sum;
}

// One sample's logits [C], and the counts at one point, by sweep/math/reference.h.
inline std::vector<double> ReferenceLogits(const SmallProblem& small,
                                           const std::vector<std::vector<std::int64_t>>& rows,
                                           std::int64_t sample, double alpha, double beta) {
  const CacheModel& p = small.cache_model;
  const float* feature = small.queries.features.data() + sample * p.width;
  std::vector<double> logits = ReferenceZ(p, feature);
  const auto s = ReferenceS(p, rows, static_cast<std::int64_t>(p.key_labels.size()), beta, feature);
  for (std::size_t c = 0; c < logits.size(); ++c) logits[c] += alpha * s[c];
  return logits;
}

inline TopCounts ReferenceCounts(const SmallProblem& small,
                                 const std::vector<std::vector<std::int64_t>>& rows, double alpha,
                                 double beta) {
  const auto shots = static_cast<std::int64_t>(small.cache_model.key_labels.size());
  const GridCounts counts =
      clipsweep::ReferenceCounts(small.cache_model, small.queries,
                                 {rows, {shots}, Axis::Point(alpha), Axis::Point(beta), false});
  return {counts.top1[0], counts.top5[0]};
}

}  // namespace clipsweep::testing
