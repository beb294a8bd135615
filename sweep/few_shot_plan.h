// A cache, text, and the images that choose and are measured: what every stage that works on few
// shots is planned from.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/files/tuned_on.h"
#include "sweep/inputs.h"

namespace clipsweep {

// The images that choose settings.
struct TuneOn {
  TunedOn kind = TunedOn::kNone;   // kNone: not said
  std::filesystem::path features;  // of kVal
};
// A feature file, "split" or "test"; "" for what was not said.
TuneOn ParseTuneOn(const std::string& text);

struct FewShotPlan {
  FewShotInputs inputs;  // rows_by_class without the images held out for tuning
  Queries tune, test;
  TunedOn tuned_on = TunedOn::kVal;
  Provenance made_from;
  // The files whose features are still to be read, and the rows of the cache held out for tuning.
  std::optional<FeatureReader> cache_file, tune_file, test_file;
  std::vector<std::int64_t> held_out;

  // The images that choose.
  const Queries& tuning() const { return tuned_on == TunedOn::kTest ? test : tune; }
};

struct QuerySources {
  std::filesystem::path features;  // to measure; may be empty
  TuneOn tune;
  std::uint64_t split_seed = 1;  // of the images "split" holds out
  std::int64_t most_shots = 0;   // that will be asked for; 0: all keys
  Allowed allowed;
};

// Reads all but the features of test and tuning images, with plan.inputs there; holds images out
// where asked for. Throws InputError.
void ReadQueries(const QuerySources& from, FewShotPlan& plan);

// Reads their features, but for images held out of the cache. Throws InputError.
void LoadQueryFeatures(FewShotPlan& plan);

// Per class, how many images --tune-on split holds out: min(shots, 4), at most half of them.
std::int64_t HeldOutOfClass(std::int64_t images, std::int64_t shots);

}  // namespace clipsweep
