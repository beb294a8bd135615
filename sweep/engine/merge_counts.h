// What workers and ranks have counted, put together.
#pragma once

#include <cstdint>
#include <vector>

#include "common/comm/comm.h"
#include "sweep/engine/sample_counter.h"
#include "sweep/math/cache_model.h"

namespace clipsweep {

// parts [tasks][any number]: this rank's. `edges`: how many crossings this rank has kept or, when
// it gave up keeping them, more than kMostEdges. Collective; every rank gets the whole result but
// for `exact`, which rank 0 gets.
std::vector<GridCounts> MergeCounts(const std::vector<GridTask>& tasks,
                                    const std::vector<std::vector<const TaskCounts*>>& parts,
                                    std::int64_t edges, Comm& comm);

// Adds `more` to `sums`, which may be empty.
void AddCounts(TaskCounts& sums, const TaskCounts& more);

}  // namespace clipsweep
