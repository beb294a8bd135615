#include "sweep/engine/merge_counts.h"

#include <algorithm>
#include <span>
#include <utility>

namespace clipsweep {
namespace {

void Add(std::vector<std::int64_t>& sums, const std::vector<std::int64_t>& more) {
  sums.resize(std::max(sums.size(), more.size()), 0);
  for (std::size_t i = 0; i < more.size(); ++i) sums[i] += more[i];
}

// Sums over ranks and turns [rows, alphas + 1] steps into [rows, alphas] counts.
std::vector<std::int64_t> SumOverRanks(std::vector<std::int64_t> steps, std::int64_t row_length,
                                       Comm& comm) {
  comm.SumInt64(steps);
  std::vector<std::int64_t> counts;
  counts.reserve(steps.size());
  for (auto row = steps.begin(); row != steps.end(); row += row_length) {
    SumSteps({row, row + row_length});
    counts.insert(counts.end(), row, row + row_length - 1);
  }
  return counts;
}

// On rank 0: the best alphas over the reals, row by row.
std::vector<ExactAlpha> GatherExact(const Axis& alpha, std::span<const TaskCounts* const> parts,
                                    Comm& comm) {
  std::vector<ExactAlpha> exact;
  const std::size_t rows = parts.front()->right_at_first.size();
  std::vector<std::int64_t> mine;  // a row: right at first, edges from, edges to, their codes
  for (std::size_t row = 0; row < rows; ++row) {
    const std::size_t head = mine.size();
    mine.resize(head + 3, 0);
    for (const TaskCounts* part : parts) {
      mine[head] += part->right_at_first[row];
      mine[head + 1] += static_cast<std::int64_t>(part->from[row].size());
      mine.insert(mine.end(), part->from[row].begin(), part->from[row].end());
    }
    for (const TaskCounts* part : parts) {
      mine[head + 2] += static_cast<std::int64_t>(part->to[row].size());
      mine.insert(mine.end(), part->to[row].begin(), part->to[row].end());
    }
  }
  const auto all = comm.Gather(mine);
  std::vector<std::ptrdiff_t> at(all.size(), 0);
  for (std::size_t row = 0; comm.is_root() && row < rows; ++row) {
    std::int64_t right = 0;
    std::vector<std::int64_t> from, to;
    for (std::size_t rank = 0; rank < all.size(); ++rank) {
      const auto head = all[rank].begin() + at[rank];
      right += head[0];
      from.insert(from.end(), head + 3, head + 3 + head[1]);
      to.insert(to.end(), head + 3 + head[1], head + 3 + head[1] + head[2]);
      at[rank] += 3 + head[1] + head[2];
    }
    exact.push_back(BestOverReals(alpha, right, from, to));
  }
  return exact;
}

}  // namespace

void AddCounts(TaskCounts& sums, const TaskCounts& more) {
  Add(sums.top1_steps, more.top1_steps);
  Add(sums.top5_steps, more.top5_steps);
  Add(sums.right_at_first, more.right_at_first);
  for (const auto& [into, from] :
       {std::pair(&sums.from, &more.from), std::pair(&sums.to, &more.to)}) {
    into->resize(std::max(into->size(), from->size()));
    for (std::size_t row = 0; row < from->size(); ++row) {
      (*into)[row].insert((*into)[row].end(), (*from)[row].begin(), (*from)[row].end());
    }
  }
}

std::vector<GridCounts> MergeCounts(const std::vector<GridTask>& tasks,
                                    const std::vector<std::vector<const TaskCounts*>>& parts,
                                    std::int64_t edges, Comm& comm) {
  std::int64_t all_edges[] = {edges};
  comm.SumInt64(all_edges);
  std::vector<GridCounts> results;
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    std::vector<std::int64_t> top1, top5;
    for (const TaskCounts* part : parts[t]) {
      Add(top1, part->top1_steps);
      Add(top5, part->top5_steps);
    }
    GridCounts& result = results.emplace_back();
    result.top1 = SumOverRanks(std::move(top1), tasks[t].alpha.count + 1, comm);
    result.top5 = SumOverRanks(std::move(top5), tasks[t].alpha.count + 1, comm);
    if (tasks[t].exact_alpha && all_edges[0] <= kMostEdges) {
      result.exact = GatherExact(tasks[t].alpha, parts[t], comm);
    }
  }
  return results;
}

}  // namespace clipsweep
