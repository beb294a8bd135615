#include "sweep/grid_engine.h"

#include <ATen/ATen.h>
#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <chrono>

#include "common/error.h"
#include "common/log.h"
#include "common/progress.h"
#include "common/work_queue.h"
#include "common/workers.h"
#include "sweep/affinity.h"
#include "sweep/exact_alpha.h"
#include "sweep/sample_counter.h"

namespace clipsweep {
namespace {

constexpr std::pair<Partition, const char*> kPartitions[] = {{Partition::kSamples, "samples"},
                                                             {Partition::kGrid, "grid"}};

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
        samples_(BlockSamples(static_cast<std::int64_t>(problem.key_labels.size()))) {
    for (const GridTask& task : tasks) {
      layouts_.push_back(MakeKeyLayout(keys_.ColumnsOf(task), 0, problem.classes));
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
    at::Tensor affinity = at::empty({count, keys_.count()}, at::kFloat);
    keys_.Multiply(queries_, first, 0, keys_.tiles(), affinity);
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
  bool all_edges() const { return edges_left_ >= 0; }

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

// A worker's counts and, where they are kept on disk, what they cover.
struct Worker {
  Worker(int its_number, Engine::Workspace its_space, BlockStore* its_store)
      : number(its_number), space(std::move(its_space)), store(its_store) {}

  void Finished(std::int64_t item, bool all_edges) {
    if (store == nullptr || store->every().count() == 0) return;
    items.push_back(item);
    if (std::chrono::steady_clock::now() - saved >= store->every()) Save(all_edges);
  }

  void Save(bool all_edges) {
    if (items.empty()) return;
    std::vector<const TaskCounts*> counts;
    for (const SampleCounter& counter : space) counts.push_back(&counter.counts());
    store->Save(number, items, counts, all_edges);
    saved = std::chrono::steady_clock::now();
  }

  int number;
  Engine::Workspace space;
  BlockStore* store;
  std::vector<std::int64_t> items;
  std::chrono::steady_clock::time_point saved = std::chrono::steady_clock::now();
};

// Which items the loaded parts cover. Throws InputError for parts that do not fit the tasks.
std::vector<bool> MarkDone(const std::vector<FinishedItems>& loaded, std::int64_t items,
                           const std::vector<GridTask>& tasks) {
  std::vector<bool> done(static_cast<std::size_t>(items), false);
  for (const FinishedItems& part : loaded) {
    bool fits = part.counts.size() == tasks.size();
    for (std::size_t t = 0; fits && t < tasks.size(); ++t) {
      const std::size_t rows =
          tasks[t].shots.size() * static_cast<std::size_t>(tasks[t].beta.count);
      fits = part.counts[t].right_at_first.size() == rows &&
             part.counts[t].top1_steps.size() ==
                 rows * static_cast<std::size_t>(tasks[t].alpha.count + 1) &&
             part.counts[t].top5_steps.size() == part.counts[t].top1_steps.size();
    }
    for (const std::int64_t item : part.items) {
      fits = fits && item >= 0 && item < items;
      if (fits) done[static_cast<std::size_t>(item)] = true;
    }
    if (!fits)
      throw InputError("--resume: saved parts do not fit this sweep; --fresh removes them");
  }
  return done;
}

std::int64_t EdgesOf(const FinishedItems& part) {
  if (!part.all_edges) return kMostEdges + 1;
  std::int64_t edges = 0;
  for (const TaskCounts& task : part.counts) {
    for (const auto& row : task.from) edges += static_cast<std::int64_t>(row.size());
    for (const auto& row : task.to) edges += static_cast<std::int64_t>(row.size());
  }
  return edges;
}

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
  for (const auto& [partition, its_name] : kPartitions) {
    if (name == its_name) return partition;
  }
  throw UsageError(fmt::format("--partition: '{}' is none; use samples or grid", Printable(name)));
}

std::string PartitionName(Partition partition) {
  return kPartitions[static_cast<std::size_t>(partition)].second;
}

std::vector<GridCounts> CountGrid(const Problem& problem, const Queries& queries,
                                  const std::vector<GridTask>& tasks, const PassOptions& options,
                                  Comm& comm) {
  Engine engine(problem, queries, tasks);
  const bool whole = options.partition == Partition::kSamples;
  const std::int64_t runs = whole ? 1 : engine.runs();
  std::vector<Worker> workers;
  Agree(comm, [&] {
    for (int w = 0; w < options.compute.workers; ++w) {
      workers.emplace_back(w, engine.MakeWorkspace(), options.store);
    }
  });
  const std::vector<FinishedItems> none;
  const auto& loaded = options.store != nullptr ? options.store->loaded() : none;
  Agree(comm, [&] {
    const auto done = MarkDone(loaded, engine.blocks() * runs, tasks);
    WorkQueue queue(comm, engine.blocks() * runs, done);
    Progress progress(options.label, "blocks", queue.count(), comm.is_root());
    const auto work = [&](std::int64_t item, int w) {
      const std::int64_t run = item % runs;
      Worker& worker = workers[static_cast<std::size_t>(w)];
      engine.RunBlock(item / runs, whole ? 0 : run, whole ? engine.runs() : run + 1, worker.space);
      worker.Finished(item, engine.all_edges());
    };
    try {
      RunQueue(queue, options.compute.workers, work,
               [&](std::int64_t dealt) { progress.Update(dealt); });
    } catch (...) {
      for (Worker& worker : workers) worker.Save(engine.all_edges());
      throw;
    }
  });
  std::int64_t edges[] = {engine.edges()};
  for (const FinishedItems& part : loaded) edges[0] += EdgesOf(part);
  comm.SumInt64(edges);

  std::vector<GridCounts> results;
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    std::vector<const TaskCounts*> parts;
    for (const Worker& worker : workers) parts.push_back(&worker.space[t].counts());
    for (const FinishedItems& part : loaded) parts.push_back(&part.counts[t]);
    std::vector<std::int64_t> top1, top5;
    for (const TaskCounts* part : parts) {
      Add(top1, part->top1_steps);
      Add(top5, part->top5_steps);
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
