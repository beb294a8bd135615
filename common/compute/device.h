// Which device a rank computes on and how many worker threads it may use.
#pragma once

#include <string>

namespace clipsweep {

struct Compute {
  std::string device = "cpu";  // "cpu" or "cuda:K"
  int workers = 1;             // CPU worker threads of this rank

  // "cpu" or "cuda": what provenance records; results are promised per kind of device.
  std::string kind() const { return device.substr(0, device.find(':')); }
  bool on_gpu() const { return kind() == "cuda"; }
};

// `wanted`: auto, cpu or cuda. A GPU is chosen by local rank; `threads` 0 divides the cores this
// process may use by the ranks that share them. Throws UsageError when cuda is wanted and there is
// none.
Compute ChooseCompute(const std::string& wanted, int threads, int local_rank, int core_sharers);

// Cores this process may run on (its affinity mask, cgroup limits aside).
int UsableCores();

}  // namespace clipsweep
