// What a sweep is to do, read and checked: inputs, grid, the keys of every subset, the tuning set.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sweep/few_shot_plan.h"
#include "sweep/sweep_job.h"

namespace clipsweep {

using ClassRows = std::vector<std::vector<std::int64_t>>;

// One task a seed, its subsets nested; subsets that are the same for every seed are counted once.
struct TaskPlan {
  std::vector<GridTask> tasks;
  // (shots, position of the seed) -> (task, index within its shots)
  std::map<std::pair<std::int64_t, std::size_t>, std::pair<std::size_t, std::size_t>> place;
};

struct SweepPlan : FewShotPlan {
  Axis alpha, beta;
  std::int64_t most_keys = 0;       // of the largest class: this many shots are all keys
  std::vector<std::int64_t> shots;  // as asked
  std::vector<std::int64_t> seeds;  // or numbers of the subset files
  std::vector<ClassRows> orders;    // a seed: rows of each class in adding order
  bool whole_is_shared = true;      // all keys are the same for every seed
  TaskPlan tasks;
  // With an adapter that has learned its text: the untrained one. Else empty.
  std::vector<float> zero_shot_text;
  bool keys_saw_test = false;  // an adapter's keys, alpha, beta or epoch were chosen on --features

  // What the numbers on test are to be called.
  TunedOn Label() const { return keys_saw_test ? TunedOn::kTest : tuned_on; }
  // Whether a subset is the same whatever the seed.
  bool SameForAllSeeds(std::int64_t of_shots) const {
    return whole_is_shared && of_shots >= most_keys;
  }
};

// Reads all but the features of the files that the options name. Throws UsageError, InputError.
SweepPlan MakeSweepPlan(const SweepConfig& config);

// Reads the features: of the cache's, what rank `rank` of `size` needs. Throws InputError.
void LoadSweepFeatures(SweepPlan& plan, Partition partition, int rank, int size);

}  // namespace clipsweep
