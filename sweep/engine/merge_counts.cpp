#include "sweep/engine/merge_counts.h"
#include "common/comm/message.h"

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
  Message mine;
  for (std::size_t row = 0; row < rows; ++row) {
    std::int64_t right = 0;
    std::vector<std::int64_t> from, to;
    for (const TaskCounts* part : parts) {
      right += part->right_at_first[row];
      from.insert(from.end(), part->from[row].begin(), part->from[row].end());
      to.insert(to.end(), part->to[row].begin(), part->to[row].end());
    }
    mine.Put(right);
    mine.PutAll(std::span<const std::int64_t>(from));
    mine.PutAll(std::span<const std::int64_t>(to));
  }
  const std::vector<std::string> all = GatherMessages(comm, mine);
  std::vector<MessageReader> readers(all.begin(), all.end());
  for (std::size_t row = 0; comm.is_root() && row < rows; ++row) {
    std::int64_t right = 0;
    std::vector<std::int64_t> from, to;
    for (MessageReader& reader : readers) {
      right += reader.Take<std::int64_t>();
      for (std::vector<std::int64_t>* edges : {&from, &to}) {
        const auto more = reader.TakeAll<std::int64_t>();
        edges->insert(edges->end(), more.begin(), more.end());
      }
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
