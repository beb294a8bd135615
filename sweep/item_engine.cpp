#include <ATen/ATen.h>

#include <chrono>
#include <utility>

#include "common/progress.h"
#include "common/work_queue.h"
#include "sweep/grid_work.h"

namespace clipsweep {
namespace {

// Block `block` at the runs of 16 betas [first_run, last_run) of every task.
void RunBlock(const GridWork& work, std::int64_t block, std::int64_t first_run,
              std::int64_t last_run, Workspace& space) {
  const std::int64_t first = work.first_of(block), count = work.count_of(block);
  const std::int64_t columns = work.keys().count(), classes = work.problem().classes;
  at::Tensor affinity = at::empty({count, columns}, at::kFloat);
  work.keys().Multiply(work.queries(), first, 0, work.keys().tiles(), affinity);
  const at::Tensor z = ZeroShotLogits(work.problem(), work.queries(), first, count);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t label = work.queries().labels[static_cast<std::size_t>(first + i)];
    for (SampleCounter& counter : space) {
      counter.Run(affinity.const_data_ptr<float>() + i * columns,
                  z.const_data_ptr<float>() + i * classes, label, first_run, last_run);
    }
  }
}

// A worker's counts and, where they are kept on disk, what they cover.
struct Worker {
  Worker(int its_number, Workspace its_space, BlockStore* its_store)
      : number(its_number), space(std::move(its_space)), store(its_store) {}

  void Finished(std::int64_t item, bool all_edges) {
    within_item = false;
    if (store == nullptr || store->every().count() == 0) return;
    items.push_back(item);
    if (std::chrono::steady_clock::now() - saved >= store->every()) Save(all_edges);
  }

  void Save(bool all_edges) {
    if (items.empty() || within_item) return;
    std::vector<const TaskCounts*> counts;
    for (const SampleCounter& counter : space) counts.push_back(&counter.counts());
    store->Save(number, items, counts, all_edges);
    saved = std::chrono::steady_clock::now();
  }

  int number;
  Workspace space;
  BlockStore* store;
  std::vector<std::int64_t> items;
  bool within_item = false;  // counts of half an item must not be saved
  std::chrono::steady_clock::time_point saved = std::chrono::steady_clock::now();
};

}  // namespace

std::vector<GridCounts> CountByItems(GridWork& work, const std::vector<GridTask>& tasks,
                                     const PassOptions& options, Comm& comm) {
  const bool whole = options.partition != Partition::kGrid;
  const std::int64_t runs = whole ? 1 : work.runs();
  std::vector<Worker> workers;
  Agree(comm, [&] {
    for (int w = 0; w < options.compute.workers; ++w) {
      workers.emplace_back(w, work.MakeWorkspace(), options.store);
    }
  });
  const std::vector<FinishedItems> none;
  const auto& loaded = options.store != nullptr ? options.store->loaded() : none;
  Agree(comm, [&] {
    WorkQueue queue(comm, work.blocks() * runs, DoneItems(loaded, work.blocks() * runs, tasks));
    Progress progress(options.label, "blocks", queue.count(), comm.is_root());
    const auto run_item = [&](std::int64_t item, int w) {
      const std::int64_t run = item % runs;
      Worker& worker = workers[static_cast<std::size_t>(w)];
      worker.within_item = true;
      RunBlock(work, item / runs, whole ? 0 : run, whole ? work.runs() : run + 1, worker.space);
      worker.Finished(item, work.all_edges());
    };
    try {
      RunQueue(queue, options.compute.workers, run_item,
               [&](std::int64_t dealt) { progress.Update(dealt); });
    } catch (...) {
      for (Worker& worker : workers) worker.Save(work.all_edges());
      throw;
    }
  });
  std::vector<const Workspace*> spaces;
  for (const Worker& worker : workers) spaces.push_back(&worker.space);
  return work.Merge(spaces, loaded, comm);
}

}  // namespace clipsweep
