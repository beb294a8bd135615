#include "sweep/grid_engine.h"

#include <fmt/core.h>

#include <utility>

#include "common/cuda_plugin.h"
#include "common/error.h"
#include "common/log.h"
#include "sweep/grid_work.h"
#include "sweep/item_runner.h"

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
      fmt::format("--partition: '{}' is none; use samples, grid or classes", Printable(name)));
}

std::string PartitionName(Partition partition) {
  return kPartitions[static_cast<std::size_t>(partition)].second;
}

std::vector<GridCounts> CountGrid(const Problem& problem, const Queries& queries,
                                  const std::vector<GridTask>& tasks, const PassOptions& options,
                                  Comm& comm) {
  if (options.partition == Partition::kClasses) {
    if (options.compute.on_gpu()) LogInfo("--partition classes: counts on the CPU");
    GridWork work(problem, queries, tasks, problem.held_classes);
    return CountByClasses(work, options, comm);
  }
  GridWork work(problem, queries, tasks, {0, problem.classes});
  PassOptions chosen = options;
  if (options.grid_launch == nullptr && options.compute.on_gpu()) {
    chosen.grid_launch = CudaPlugin::Load()->grid_launch();
  }
  if (chosen.grid_launch != nullptr && !FitsDevice(tasks)) {
    LogInfo("counts on the CPU: a GPU's shared memory cannot hold so many alphas");
    chosen.grid_launch = nullptr;
  }
  return CountByItems(work, chosen, comm);
}

}  // namespace clipsweep
