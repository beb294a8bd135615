#include "sweep/engine/grid_work.h"

#include <algorithm>
#include <cmath>

#include "sweep/engine/merge_counts.h"

namespace clipsweep {
namespace {

double LongestRow(const std::vector<float>& rows, std::int64_t width) {
  double longest = 0;
  for (std::size_t at = 0; at < rows.size(); at += static_cast<std::size_t>(width)) {
    double squares = 0;
    for (std::size_t d = at; d < at + static_cast<std::size_t>(width); ++d) {
      squares += static_cast<double>(rows[d]) * rows[d];
    }
    longest = std::max(longest, std::sqrt(squares));
  }
  return longest;
}

}  // namespace

std::vector<const TaskCounts*> CountsOf(const Workspace& space) {
  std::vector<const TaskCounts*> counts;
  for (const SampleCounter& counter : space) counts.push_back(&counter.counts());
  return counts;
}

GridWork::GridWork(const CacheModel& cache_model, const Queries& queries,
                   const std::vector<GridTask>& tasks, ClassRange held)
    : cache_model_(cache_model),
      queries_(queries),
      tasks_(tasks),
      most_z_(kLogitScale * LongestRow(cache_model.text, cache_model.width)),
      keys_(cache_model, tasks),
      samples_(BlockSamples(keys_.all())) {
  for (const GridTask& task : tasks) {
    layouts_.push_back(MakeKeyLayout(keys_.ColumnsOf(task), held.first, held.last));
    runs_ = std::max(runs_, (task.beta.count + kAnchorEvery - 1) / kAnchorEvery);
  }
}

Reach GridWork::ReachOf(const GridTask& task) const {
  return {most_z_, static_cast<double>(task.shots.back()) * cache_model_.MostKernel(task.beta),
          cache_model_.MostExponent(task.beta)};
}

Workspace GridWork::MakeWorkspace() {
  Workspace space;
  for (std::size_t t = 0; t < tasks_.size(); ++t) {
    const GridTask& task = tasks_[t];
    space.emplace_back(layouts_[t], task.shots, task.alpha, task.beta, ReachOf(task),
                       task.exact_alpha ? &edges_left_ : nullptr);
  }
  return space;
}

std::vector<GridCounts> GridWork::Merge(const std::vector<std::vector<const TaskCounts*>>& counts,
                                        const std::vector<FinishedItems>& loaded,
                                        Comm& comm) const {
  std::vector<std::vector<const TaskCounts*>> parts(tasks_.size());
  for (std::size_t t = 0; t < tasks_.size(); ++t) {
    for (const auto& worker : counts) parts[t].push_back(worker[t]);
    for (const FinishedItems& part : loaded) parts[t].push_back(&part.counts[t]);
  }
  std::int64_t edges = kMostEdges - edges_left_;
  for (const FinishedItems& part : loaded) edges += EdgesOf(part);
  return MergeCounts(tasks_, parts, edges, comm);
}

}  // namespace clipsweep
