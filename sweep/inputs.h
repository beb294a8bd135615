// Feature and text files -> what the engine and the trainer work on: unit rows, one order of
// classes, everything checked against everything else.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/files/feature_file.h"
#include "common/files/made_alike.h"
#include "common/files/oddities.h"
#include "common/files/text_file.h"
#include "sweep/engine/grid_engine.h"

namespace clipsweep {

struct FewShotInputs {
  CacheModel cache_model;
  std::vector<std::string> classes;  // [C] of the cache, or of the features without a cache
  std::vector<std::vector<std::int64_t>> rows_by_class;  // of the cache, file order
  std::vector<std::string> paths;                        // [K] of the cache's images
  std::string cache_name;
  double text_norm = 0;         // of the text file
  Provenance made_from;         // identities of cache and text
  std::vector<MadeFile> files;  // that met so far
  Oddities oddities;
};

// Text and a cache; without one, what is given as `classes_from`, features to classify or an
// adapter, gives the classes. Without the cache's features there are no keys yet: load_keys.h reads
// them. `role`: what `classes_from` is, "cache", "features" or "adapter".
FewShotInputs LoadInputs(const std::filesystem::path& text, FeatureSet classes_from,
                         const std::string& role, const Allowed& allowed);

// To the provenance of what is made from `inputs` and `set`: the SHA-256 of the set's class names
// as `name`, when they are not those of `inputs`. Its labels count its own classes.
void NoteClasses(const FewShotInputs& inputs, const FeatureSet& set, const std::string& name,
                 Provenance& made_from);

// Queries for `inputs` from a feature file, which plays the role "features" or "val". Its classes
// are those of `inputs` or some of them, in any order: labels go by name. A set without features,
// FeatureReader::about(), gives labels alone; LoadFeatures adds the rest. Throws InputError for
// another width, or naming a class that is not one of those.
Queries LoadQueries(FewShotInputs& inputs, FeatureSet set, const std::string& role);

// Fills queries.features with the file's plain views, unit rows. Throws InputError.
void LoadFeatures(const FeatureReader& file, Queries& queries);

// Once all files of a stage are loaded: they must have been made alike, and those of pictures must
// share none. Adds what is odd and allowed to inputs.oddities and records it in `made_from`. Throws
// InputError naming two of them.
void RequireTogether(FewShotInputs& inputs, const Allowed& allowed, Provenance& made_from);

// The rows of one k-shot subset in adding order. With shots = 0, or at least as many shots as every
// class has keys, the whole cache in file order: such subsets are the same for every seed.
struct Subset {
  std::int64_t shots;
  std::vector<std::vector<std::int64_t>> rows_by_class;
};
Subset MakeSubset(const FewShotInputs& inputs, std::int64_t shots, std::uint64_t seed);

// Throws UsageError for a negative number.
void CheckShots(std::int64_t shots);

// Number of keys of the largest class.
std::int64_t MostKeys(const FewShotInputs& inputs);

}  // namespace clipsweep
