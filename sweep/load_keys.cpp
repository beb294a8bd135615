#include "sweep/load_keys.h"

#include <algorithm>
#include <numeric>

#include "sweep/math/key_columns.h"

namespace clipsweep {

ClassRange ShareOfClasses(const CacheModel& cache_model, const std::vector<bool>& used, int rank,
                          int size) {
  const std::int64_t tiles = (cache_model.classes + kTileClasses - 1) / kTileClasses;
  std::vector<std::int64_t> keys(static_cast<std::size_t>(tiles), 0);
  for (std::size_t row = 0; row < used.size(); ++row) {
    if (used[row]) ++keys[static_cast<std::size_t>(cache_model.key_labels[row] / kTileClasses)];
  }
  const std::int64_t all =
      std::max<std::int64_t>(1, std::accumulate(keys.begin(), keys.end(), std::int64_t{0}));
  // A tile goes to the rank in whose share of the keys its middle lies.
  ClassRange range{cache_model.classes, cache_model.classes};
  std::int64_t before = 0;
  for (std::int64_t tile = 0; tile < tiles; ++tile) {
    const std::int64_t middle = 2 * before + keys[static_cast<std::size_t>(tile)];
    before += keys[static_cast<std::size_t>(tile)];
    if (std::min<std::int64_t>(middle * size / (2 * all), size - 1) != rank) continue;
    range.first = std::min(range.first, tile * kTileClasses);
    range.last = std::min((tile + 1) * kTileClasses, cache_model.classes);
  }
  return range;
}

void LoadKeys(const FeatureReader& cache, const std::vector<bool>& used, ClassRange held,
              const std::vector<std::int64_t>& tune_rows, CacheModel& cache_model, Queries& tune) {
  std::vector<std::int64_t> next(static_cast<std::size_t>(cache_model.classes) + 1, 0);  // by class
  const auto is_kept = [&](std::size_t row) {
    return used[row] && held.Has(cache_model.key_labels[row]);
  };
  for (std::size_t row = 0; row < used.size(); ++row) {
    if (is_kept(row)) ++next[static_cast<std::size_t>(cache_model.key_labels[row]) + 1];
  }
  std::partial_sum(next.begin(), next.end(), next.begin());
  cache_model.held_classes = held;
  cache_model.keys.resize(static_cast<std::size_t>(next.back() * cache_model.width));
  cache_model.key_position.assign(used.size(), -1);
  for (std::size_t row = 0; row < used.size(); ++row) {
    if (!is_kept(row)) continue;
    cache_model.key_position[row] = next[static_cast<std::size_t>(cache_model.key_labels[row])]++;
  }
  const auto width = static_cast<std::size_t>(cache_model.width);
  tune.features.reserve(tune_rows.size() * width);
  auto next_tune = tune_rows.begin();
  cache.ForEachRow([&](std::int64_t row, std::span<const float> views) {
    const std::int64_t position = cache_model.key_position[static_cast<std::size_t>(row)];
    if (position >= 0) {
      float* key = cache_model.keys.data() + position * cache_model.width;
      MeanOfViews(views, {key, width});
      NormalizeRow({key, width});
    }
    if (next_tune != tune_rows.end() && *next_tune == row) {
      ++next_tune;
      tune.features.insert(tune.features.end(), views.begin(), views.begin() + cache_model.width);
      NormalizeRow({tune.features.data() + tune.features.size() - width, width});
    }
  });
}

}  // namespace clipsweep
