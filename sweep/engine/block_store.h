// Finished work items of a long sweep on disk, in the folder OUT.parts: each worker of each rank
// replaces a file of its own every few seconds, so a kill -9 costs no more than that. What is saved
// fits any number of ranks and threads.
#pragma once

#include <chrono>
#include <filesystem>
#include <mutex>
#include <string>
#include <vector>

#include "common/comm/comm.h"
#include "common/disk/parts_folder.h"
#include "common/files/provenance.h"
#include "sweep/engine/sample_counter.h"

namespace clipsweep {

inline constexpr const char* kPartFormat = "clipsweep-sweep-part";

// Which items a worker has finished and what it counted in them, task by task.
struct FinishedItems {
  std::vector<std::int64_t> items;
  std::vector<TaskCounts> counts;
  bool all_edges = true;  // false: too many crossings, `from` and `to` are not complete
};

class BlockStore {
 public:
  // Collective; removes leftovers under `discard`, else loads what fits `made_from` under `resume`.
  // Throws AgreedError when saved items are there and neither is asked for, or they were made from
  // other input. `every` 0: saves nothing.
  struct Options {
    bool resume = false, discard = false;
    bool replace_other = false;  // under resume: items made from other input are removed
    std::chrono::milliseconds every{30'000};
  };
  BlockStore(const std::filesystem::path& out, const Provenance& made_from, const Options& options,
             Comm& comm);

  // What was loaded; empty on ranks other than 0.
  const std::vector<FinishedItems>& loaded() const { return loaded_; }

  std::chrono::milliseconds every() const { return options_.every; }
  // Any thread. Replaces what this worker saved before in this run.
  void Save(int worker, const std::vector<std::int64_t>& items,
            const std::vector<const TaskCounts*>& counts, bool all_edges);

  // Rank 0, once the sweep file stands.
  void Remove() const;

 private:
  void Load();

  const PartsFolder folder_;
  const Provenance made_from_;
  const Options options_;
  std::string run_;   // of this process and start: names of files
  std::mutex mutex_;  // HDF5 is not called from two threads
  std::vector<FinishedItems> loaded_;
};

// Which of the items [0, items) the loaded parts cover. Throws InputError for parts that do not fit
// the tasks.
std::vector<bool> DoneItems(const std::vector<FinishedItems>& loaded, std::int64_t items,
                            const std::vector<GridTask>& tasks);

// Crossings kept in a part; more than kMostEdges when it gave up keeping them.
std::int64_t EdgesOf(const FinishedItems& part);

}  // namespace clipsweep
