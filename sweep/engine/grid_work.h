// A pass over the samples made ready: which columns of the affinity each task reads, how the
// samples fall into blocks, and workers' counters.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "common/comm/comm.h"
#include "sweep/engine/grid_engine.h"
#include "sweep/engine/sample_counter.h"
#include "sweep/math/affinity.h"

namespace clipsweep {

// A worker's counters, one a task.
using Workspace = std::vector<SampleCounter>;
std::vector<const TaskCounts*> CountsOf(const Workspace& space);

class GridWork {
 public:
  // Keeps references. `held`: the classes whose keys this rank meets.
  GridWork(const CacheModel& cache_model, const Queries& queries,
           const std::vector<GridTask>& tasks, ClassRange held);

  const CacheModel& cache_model() const { return cache_model_; }
  const Queries& queries() const { return queries_; }
  const std::vector<GridTask>& tasks() const { return tasks_; }
  const KeyColumns& keys() const { return keys_; }
  std::int64_t blocks() const { return BlocksOf(queries_.count(), samples_); }
  std::int64_t first_of(std::int64_t block) const { return block * samples_; }
  std::int64_t count_of(std::int64_t block) const {
    return std::min(samples_, queries_.count() - first_of(block));
  }
  Reach ReachOf(const GridTask& task) const;
  // Runs of 16 betas, of the task that has most.
  std::int64_t runs() const { return runs_; }

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
  const CacheModel& cache_model_;
  const Queries& queries_;
  const std::vector<GridTask>& tasks_;
  const double most_z_;
  const KeyColumns keys_;
  const std::int64_t samples_;
  std::vector<KeyLayout> layouts_;
  std::int64_t runs_ = 0;
  std::atomic<std::int64_t> edges_left_ = kMostEdges;
};

// The two ways through it. Collective.
// Ranks ask for items: blocks, or blocks x runs of betas; each holds all keys.
std::vector<GridCounts> CountByItems(GridWork& work, const PassOptions& options, Comm& comm);
// All ranks go through the blocks together; each meets the label with the classes it holds.
std::vector<GridCounts> CountByClasses(GridWork& work, const PassOptions& options, Comm& comm);

}  // namespace clipsweep
