#include "sweep/grid_engine.h"

#include <ATen/ATen.h>
#include <fmt/core.h>

#include <algorithm>
#include <atomic>

#include "common/error.h"
#include "common/progress.h"
#include "common/work_queue.h"
#include "common/workers.h"
#include "sweep/affinity.h"
#include "sweep/exact_alpha.h"
#include "sweep/sample_counter.h"

namespace clipsweep {
namespace {

std::int64_t BlocksOf(const Queries& queries, std::int64_t samples) {
  return (queries.count() + samples - 1) / samples;
}

// The tasks made ready: which columns of the affinity each reads, and where its counts lie.
class Engine {
 public:
  using Workspace = std::vector<SampleCounter>;  // one a task

  Engine(const Problem& problem, const Queries& queries, const std::vector<GridTask>& tasks)
      : problem_(problem),
        queries_(queries),
        tasks_(tasks),
        keys_(problem, tasks),
        samples_(BlockSamples(keys_.count())) {
    for (const GridTask& task : tasks) {
      layouts_.push_back(MakeKeyLayout(keys_.ColumnsOf(task)));
      runs_ = std::max(runs_, (task.beta.count + kAnchorEvery - 1) / kAnchorEvery);
    }
  }

  std::int64_t blocks() const { return BlocksOf(queries_, samples_); }
  std::int64_t runs() const { return runs_; }

  Workspace MakeWorkspace() {
    Workspace space;
    for (std::size_t t = 0; t < tasks_.size(); ++t) {
      const GridTask& task = tasks_[t];
      space.emplace_back(layouts_[t], task.shots, task.alpha, task.beta,
                         task.exact_alpha ? &edges_left_ : nullptr);
    }
    return space;
  }

  // Block `block` at the runs of 16 betas [first_run, last_run) of every task.
  void RunBlock(std::int64_t block, std::int64_t first_run, std::int64_t last_run,
                Workspace& space) const {
    const std::int64_t first = block * samples_;
    const std::int64_t count = std::min(samples_, queries_.count() - first);
    const at::Tensor affinity =
        Product(queries_, problem_.width, first, count, keys_.data(), keys_.count());
    const at::Tensor z = ZeroShotLogits(problem_, queries_, first, count);
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t label = queries_.labels[static_cast<std::size_t>(first + i)];
      for (SampleCounter& counter : space) {
        counter.Run(affinity.const_data_ptr<float>() + i * keys_.count(),
                    z.const_data_ptr<float>() + i * problem_.classes, label, first_run, last_run);
      }
    }
  }

  std::int64_t edges() const { return kMostEdges - edges_left_; }

 private:
  const Problem& problem_;
  const Queries& queries_;
  const std::vector<GridTask>& tasks_;
  const KeyColumns keys_;
  const std::int64_t samples_;
  std::vector<KeyLayout> layouts_;
  std::int64_t runs_ = 0;
  std::atomic<std::int64_t> edges_left_ = kMostEdges;
};

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

Partition ParsePartition(const std::string& name) {
  if (name == "samples") return Partition::kSamples;
  if (name == "grid") return Partition::kGrid;
  throw UsageError(fmt::format("--partition: '{}' is none; use samples or grid", name));
}

std::vector<GridCounts> CountGrid(const Problem& problem, const Queries& queries,
                                  const std::vector<GridTask>& tasks, Partition partition,
                                  const Compute& compute, Comm& comm, const std::string& label) {
  Engine engine(problem, queries, tasks);
  const bool whole = partition == Partition::kSamples;
  const std::int64_t runs = whole ? 1 : engine.runs();
  std::vector<Engine::Workspace> spaces;
  Agree(comm, [&] {
    for (int w = 0; w < compute.workers; ++w) spaces.push_back(engine.MakeWorkspace());
  });
  Agree(comm, [&] {
    WorkQueue queue(comm, engine.blocks() * runs);
    Progress progress(label, "blocks", queue.count(), comm.is_root());
    RunQueue(
        queue, compute.workers,
        [&](std::int64_t item, int worker) {
          const std::int64_t run = item % runs;
          engine.RunBlock(item / runs, whole ? 0 : run, whole ? engine.runs() : run + 1,
                          spaces[static_cast<std::size_t>(worker)]);
        },
        [&](std::int64_t dealt) { progress.Update(dealt); });
  });
  std::int64_t edges[] = {engine.edges()};
  comm.SumInt64(edges);

  std::vector<GridCounts> results;
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    std::vector<const TaskCounts*> parts;
    std::vector<std::int64_t> top1, top5;
    for (const Engine::Workspace& space : spaces) {
      parts.push_back(&space[t].counts());
      Add(top1, parts.back()->top1_steps);
      Add(top5, parts.back()->top5_steps);
    }
    GridCounts& result = results.emplace_back();
    result.top1 = SumOverRanks(std::move(top1), tasks[t].alpha.count + 1, comm);
    result.top5 = SumOverRanks(std::move(top5), tasks[t].alpha.count + 1, comm);
    if (tasks[t].exact_alpha && edges[0] <= kMostEdges) {
      result.exact = GatherExact(tasks[t].alpha, parts, comm);
    }
  }
  return results;
}

TopCounts CountZeroShot(const Problem& problem, const Queries& queries, const Compute& compute,
                        Comm& comm) {
  const std::int64_t samples = BlockSamples(problem.classes);
  const auto items = ItemsOfRank(BlocksOf(queries, samples), comm);
  std::vector<TopCounts> parts(items.size());
  Agree(comm, [&] {
    WorkerPool(compute.workers)
        .Run(static_cast<std::int64_t>(items.size()), [&](std::int64_t i, int) {
          const std::int64_t first = items[static_cast<std::size_t>(i)] * samples;
          const std::int64_t count = std::min(samples, queries.count() - first);
          const at::Tensor z = ZeroShotLogits(problem, queries, first, count);
          for (std::int64_t n = 0; n < count; ++n) {
            const float* row = z.const_data_ptr<float>() + n * problem.classes;
            const std::int64_t y = queries.labels[static_cast<std::size_t>(first + n)];
            int beaten_by = 0;
            for (std::int64_t c = 0; c < problem.classes; ++c) {
              beaten_by += row[c] > row[y] || (row[c] == row[y] && c < y) ? 1 : 0;
            }
            parts[static_cast<std::size_t>(i)].top1 += beaten_by == 0 ? 1 : 0;
            parts[static_cast<std::size_t>(i)].top5 += beaten_by < 5 ? 1 : 0;
          }
        });
  });
  std::int64_t counts[2] = {0, 0};
  for (const TopCounts& part : parts) {
    counts[0] += part.top1;
    counts[1] += part.top5;
  }
  comm.SumInt64(counts);
  return {counts[0], counts[1]};
}

}  // namespace clipsweep
