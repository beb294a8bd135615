#include "sweep/engine/grid_engine.h"

#include <fmt/core.h>

#include <utility>

#include "common/compute/cuda_plugin.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "sweep/engine/grid_work.h"
#include "sweep/engine/item_runner.h"

namespace clipsweep {
namespace {

constexpr std::pair<Partition, const char*> kPartitions[] = {
    {Partition::kSamples, "samples"}, {Partition::kGrid, "grid"}, {Partition::kClasses, "classes"}};

}  // namespace

Partition ParsePartition(const std::string& name) {
  for (const auto& [partition, its_name] : kPartitions) {
    if (name == its_name) return partition;
  }
  throw UsageError(
      fmt::format("--partition: '{}' is not one of samples, grid, classes", Printable(name)));
}

std::string PartitionName(Partition partition) {
  return kPartitions[static_cast<std::size_t>(partition)].second;
}

Compute CountingCompute(const Compute& compute, Partition partition,
                        const std::vector<GridTask>& tasks) {
  Compute counting = compute;
  if (partition == Partition::kClasses || !FitsDevice(tasks)) counting.device = "cpu";
  return counting;
}

std::vector<GridCounts> CountGrid(const CacheModel& cache_model, const Queries& queries,
                                  const std::vector<GridTask>& tasks, const PassOptions& options,
                                  Comm& comm) {
  const ProductKind product = options.product.value_or(FastestProduct(cache_model.width));
  if (options.partition == Partition::kClasses) {
    GridWork work(cache_model, queries, tasks, cache_model.held_classes, product);
    return CountByClasses(work, options, comm);
  }
  PassOptions chosen = options;
  chosen.compute = CountingCompute(options.compute, options.partition, tasks);
  if (!FitsDevice(tasks)) chosen.grid_launch = nullptr;
  if (chosen.grid_launch == nullptr && chosen.compute.on_gpu()) {
    chosen.grid_launch = CudaPlugin::Load()->Find<GridLaunchFunction>("clipsweep_cuda_grid");
  }
  const bool on_device = chosen.grid_launch != nullptr;
  GridWork work(cache_model, queries, tasks, {0, cache_model.classes},
                on_device ? std::nullopt : std::optional(product));
  return CountByItems(work, chosen, comm);
}

}  // namespace clipsweep
