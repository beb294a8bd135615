// A pass over the samples made ready: which columns of the affinity each task reads, how the
// samples fall into blocks, and workers' counters.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <optional>
#include <vector>

#include "common/comm/comm.h"
#include "sweep/engine/grid_engine.h"
#include "sweep/engine/sample_counter.h"
#include "sweep/engine/screen.h"
#include "sweep/math/key_columns.h"

namespace clipsweep {

// A worker's counters, one a task.
using Workspace = std::vector<SampleCounter>;
std::vector<const TaskCounts*> CountsOf(Workspace& space);

// Tasks over the same grid and shot counts, as the subsets of a sweep: what no class can beat in
// any of them is looked at once.
struct TaskFamily {
  std::vector<std::size_t> tasks;
  std::vector<float> keys;  // [shots, lanes] the most keys a class has in one of them, rounded up
  float low = 0, high = 0;  // ends of the alpha axis
};

// What a block of samples takes.
struct BlockNeeds {
  std::int64_t samples;  // in all
  std::int64_t keys;     // of all ranks together
  std::int64_t points;   // shot counts x betas of all tasks
  bool on_device;        // a GPU holds a block's affinities
  bool keeps_weights;    // Screen::keeps_weights
};
// Samples in a block, a function of what is counted alone, so that saved blocks fit any number of
// ranks and threads.
std::int64_t BlockSamples(const BlockNeeds& needs);
// What unfinished work says of it.
inline constexpr const char* kBlockRule = "samples / 64, 64 to 1024, fewer where memory says so";

class GridWork {
 public:
  // Keeps references. `held`: the classes whose keys this rank meets. `product`: how classes are
  // looked at first; nullopt: affinities are not computed here (a GPU does).
  GridWork(const CacheModel& cache_model, const Queries& queries,
           const std::vector<GridTask>& tasks, ClassRange held, std::optional<ProductKind> product);

  const CacheModel& cache_model() const { return cache_model_; }
  const Queries& queries() const { return queries_; }
  const std::vector<GridTask>& tasks() const { return tasks_; }
  const KeyColumns& keys() const { return keys_; }
  const Screen& screen() const { return *screen_; }
  ClassRange held() const { return held_; }
  const std::vector<TaskFamily>& families() const { return families_; }
  std::int64_t blocks() const { return (queries_.count() + samples_ - 1) / samples_; }
  std::int64_t first_of(std::int64_t block) const { return block * samples_; }
  std::int64_t count_of(std::int64_t block) const {
    return std::min(samples_, queries_.count() - first_of(block));
  }
  Reach ReachOf(const GridTask& task) const;
  // Runs of 16 betas, of the task that has most.
  BetaRuns runs() const { return {0, runs_}; }

  // Allocates; may throw on a rank alone.
  Workspace MakeWorkspace();

  // Whether all crossings could be kept so far: no more than kMostEdges.
  bool all_edges() const { return edges_left_ >= 0; }
  void KeepEdges(std::int64_t more) { edges_left_ -= more; }
  // What workers counted [workers][tasks] and what was on disk already, summed over ranks.
  // Collective.
  std::vector<GridCounts> Merge(const std::vector<std::vector<const TaskCounts*>>& counts,
                                const std::vector<FinishedItems>& loaded, Comm& comm) const;

 private:
  TaskFamily& FamilyOf(const GridTask& task);

  const CacheModel& cache_model_;
  const Queries& queries_;
  const std::vector<GridTask>& tasks_;
  const double most_z_;
  const KeyColumns keys_;
  const ClassRange held_;
  std::optional<Screen> screen_;
  std::int64_t samples_ = 0;
  std::vector<KeyLayout> layouts_;
  std::vector<TaskFamily> families_;
  std::int64_t runs_ = 0;
  std::atomic<std::int64_t> edges_left_ = kMostEdges;
};

// The two ways through it. Collective.
// Ranks ask for items: blocks, or blocks x runs of betas; each holds all keys.
std::vector<GridCounts> CountByItems(GridWork& work, const PassOptions& options, Comm& comm);
// All ranks go through the blocks together; each meets the label with the classes it holds.
std::vector<GridCounts> CountByClasses(GridWork& work, const PassOptions& options, Comm& comm);

}  // namespace clipsweep
