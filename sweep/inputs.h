// Feature and text files -> what the engine and the trainer work on: unit rows, one order of
// classes, everything checked against everything else.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/feature_file.h"
#include "common/text_file.h"
#include "sweep/grid_engine.h"

namespace clipsweep {

struct Inputs {
  Problem problem;
  std::vector<std::string> classes;  // [C] of the cache, or of the features without a cache
  std::vector<std::vector<std::int64_t>> rows_by_class;  // of the cache, file order
  std::vector<std::string> paths;                        // [K] of the cache's images
  std::string cache_name;
  std::string model_sha256;  // that made the cache's features; "" when imported
  Provenance made_from;      // identities of cache and text
};

// Text and a cache; without one, the features to classify give the classes. Without the cache's
// features there are no keys yet: load_keys.h reads them.
Inputs LoadInputs(const std::filesystem::path& text, FeatureSet classes_from, bool is_cache);

// To the provenance of what is made from `inputs` and `set`: the SHA-256 of the set's class names
// as `name`, when they are not those of `inputs`. Its labels count its own classes.
void NoteClasses(const Inputs& inputs, const FeatureSet& set, const std::string& name,
                 Provenance& made_from);

// Queries for `inputs` from a feature file. Its classes are those of `inputs` or some of them, in
// any order: labels go by name. Throws InputError for another width, or naming a class that is none
// of those.
Queries LoadQueries(const Inputs& inputs, FeatureSet set);

// The rows of one k-shot subset in adding order. With shots = 0, or at least as many shots as every
// class has keys, the whole cache in file order: such subsets are the same for every seed.
struct Subset {
  std::int64_t shots;
  std::vector<std::vector<std::int64_t>> rows_by_class;
};
Subset MakeSubset(const Inputs& inputs, std::int64_t shots, std::uint64_t seed);

// Throws UsageError for a negative number.
void CheckShots(std::int64_t shots);

// Number of keys of the largest class.
std::int64_t MostKeys(const Inputs& inputs);

}  // namespace clipsweep
