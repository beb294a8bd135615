// What counts the items a worker takes: on the CPU, or on a GPU.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sweep/engine/grid_kernel.h"
#include "sweep/engine/grid_work.h"

namespace clipsweep {

class ItemRunner {
 public:
  virtual ~ItemRunner() = default;
  // Adds what holds of block `block` at the runs of 16 betas `runs` of every task.
  virtual void Run(std::int64_t block, BetaRuns runs) = 0;
  // What was counted so far, a task; valid until the next Run.
  virtual std::vector<const TaskCounts*> Counts() = 0;
};

std::unique_ptr<ItemRunner> MakeCpuRunner(GridWork& work);

// Products by ATen and counts by `launch`, both on `device` ("cuda:0"; "cpu" with a launch that
// runs there).
std::unique_ptr<ItemRunner> MakeDeviceRunner(GridWork& work, const std::string& device,
                                             GridLaunch launch);

// Whether a thread block's shared memory holds the counts of one beta of every task.
bool FitsDevice(const std::vector<GridTask>& tasks);

}  // namespace clipsweep
