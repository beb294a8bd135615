// The cache's features, read piece by piece: a rank keeps the keys that its work needs, each once,
// class by class, so that no second copy is ever made of them.
#pragma once

#include <cstdint>
#include <vector>

#include "common/files/feature_file.h"
#include "sweep/math/cache_model.h"

namespace clipsweep {

// The classes whose keys rank `rank` of `size` holds: whole tiles, shared out so that every rank
// has about as many used keys. May be none.
ClassRange ShareOfClasses(const CacheModel& cache_model, const std::vector<bool>& used, int rank,
                          int size);

// Fills cache_model.keys and key_position with the used rows of the classes `held`, and
// tune.features with the rows `tune_rows` (rising; may be empty). A key is the mean of its image's
// views, a row to tune on the plain view; unit length all. Throws
// InputError.
void LoadKeys(const FeatureReader& cache, const std::vector<bool>& used, ClassRange held,
              const std::vector<std::int64_t>& tune_rows, CacheModel& cache_model, Queries& tune);

}  // namespace clipsweep
