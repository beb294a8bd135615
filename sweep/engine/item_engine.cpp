#include <chrono>
#include <utility>

#include "common/comm/work_queue.h"
#include "common/process/liveness.h"
#include "common/process/progress.h"
#include "sweep/engine/item_runner.h"

namespace clipsweep {
namespace {

// A runner and, where its counts are kept on disk, what they cover.
struct Worker {
  Worker(int its_number, std::unique_ptr<ItemRunner> its_runner, BlockStore* its_store)
      : number(its_number), runner(std::move(its_runner)), store(its_store) {}

  void Finished(std::int64_t item, bool all_edges) {
    within_item = false;
    if (store == nullptr || store->every().count() == 0) return;
    items.push_back(item);
    if (std::chrono::steady_clock::now() - saved >= store->every()) Save(all_edges);
  }

  void Save(bool all_edges) {
    if (items.empty() || within_item) return;
    store->Save(number, items, runner->Counts(), all_edges);
    saved = std::chrono::steady_clock::now();
  }

  int number;
  std::unique_ptr<ItemRunner> runner;
  BlockStore* store;
  std::vector<std::int64_t> items;
  bool within_item = false;  // counts of half an item must not be saved
  std::chrono::steady_clock::time_point saved = std::chrono::steady_clock::now();
};

// A GPU takes one item at a time; the CPU as many as there are workers.
std::vector<Worker> MakeWorkers(GridWork& work, const PassOptions& options) {
  std::vector<Worker> workers;
  if (options.grid_launch != nullptr) {
    workers.emplace_back(0, MakeDeviceRunner(work, options.compute.device, options.grid_launch),
                         options.store);
    return workers;
  }
  for (int w = 0; w < options.compute.workers; ++w) {
    workers.emplace_back(w, MakeCpuRunner(work), options.store);
  }
  return workers;
}

}  // namespace

std::vector<GridCounts> CountByItems(GridWork& work, const PassOptions& options, Comm& comm) {
  const bool whole = options.partition != Partition::kGrid;
  const std::int64_t runs = whole ? 1 : work.runs().count();
  std::vector<Worker> workers;
  Agree(comm, [&] { workers = MakeWorkers(work, options); });
  const std::vector<FinishedItems> none;
  const auto& loaded = options.store != nullptr ? options.store->loaded() : none;
  Agree(comm, [&] {
    WorkQueue queue(comm, work.blocks() * runs,
                    DoneItems(loaded, work.blocks() * runs, work.tasks()));
    Progress progress(options.label, "blocks", queue.count(), comm.is_root());
    const auto run_item = [&](std::int64_t item, int w) {
      const std::int64_t run = item % runs;
      Worker& worker = workers[static_cast<std::size_t>(w)];
      worker.within_item = true;
      worker.runner->Run(item / runs, whole ? work.runs() : BetaRuns{run, run + 1});
      worker.Finished(item, work.all_edges());
      if (whole || run == 0) DidWork(work.count_of(item / runs));
    };
    try {
      RunQueue(queue, static_cast<int>(workers.size()), run_item,
               [&](std::int64_t dealt) { progress.Update(dealt); });
    } catch (...) {
      for (Worker& worker : workers) worker.Save(work.all_edges());
      throw;
    }
  });
  std::vector<std::vector<const TaskCounts*>> counts;
  Agree(comm, [&] {
    for (Worker& worker : workers) counts.push_back(worker.runner->Counts());
  });
  return work.Merge(counts, loaded, comm);
}

}  // namespace clipsweep
