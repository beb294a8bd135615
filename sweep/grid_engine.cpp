#include "sweep/grid_engine.h"

#include <fmt/core.h>

#include <utility>

#include "common/error.h"
#include "common/log.h"
#include "sweep/grid_work.h"

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
    GridWork work(problem, queries, tasks, problem.held_classes);
    return CountByClasses(work, tasks, options, comm);
  }
  GridWork work(problem, queries, tasks, {0, problem.classes});
  return CountByItems(work, tasks, options, comm);
}

}  // namespace clipsweep
