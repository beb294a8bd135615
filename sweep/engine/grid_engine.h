// Counts right answers over whole grids: one affinity product a block of samples, then every task's
// subset of keys, every beta, every alpha. Integers are all that leaves a rank, so the counts
// depend on neither ranks nor threads nor how the work was cut.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/comm/comm.h"
#include "common/compute/bounded_product.h"
#include "common/compute/device.h"
#include "sweep/engine/block_store.h"
#include "sweep/engine/grid_kernel.h"
#include "sweep/math/cache_model.h"

namespace clipsweep {

// kSamples: a work item is a block of samples. kGrid: a block and a run of 16 betas. kClasses:
// every rank holds the keys of some classes alone and sees every sample (CacheModel::held_classes).
enum class Partition { kSamples, kGrid, kClasses };
Partition ParsePartition(const std::string& name);
std::string PartitionName(Partition partition);

// How a pass over the samples is done.
struct PassOptions {
  Partition partition = Partition::kSamples;
  Compute compute = {};
  std::string label = {};       // in the progress bar
  BlockStore* store = nullptr;  // takes up and keeps finished items
  // Counts on compute.device with this instead of the CPU, but for --partition classes. nullptr:
  // the CUDA plugin's when compute names a GPU.
  GridLaunch grid_launch = nullptr;
  // The cheap product that classes are looked at with first on a CPU; the fastest when not given.
  // Counts do not depend on it.
  std::optional<ProductKind> product = {};
};

// What CountGrid computes on when `compute` is asked for: the CPU in its place for --partition
// classes and for more alphas than a GPU's shared memory holds.
Compute CountingCompute(const Compute& compute, Partition partition,
                        const std::vector<GridTask>& tasks);

// Every rank gets the whole result, but for `exact`.
std::vector<GridCounts> CountGrid(const CacheModel& cache_model, const Queries& queries,
                                  const std::vector<GridTask>& tasks, const PassOptions& options,
                                  Comm& comm);

}  // namespace clipsweep
