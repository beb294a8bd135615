#include "common/compute/device.h"

#include <fmt/core.h>
#include <sched.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "common/compute/cuda_plugin.h"
#include "common/process/error.h"
#include "common/process/log.h"

namespace clipsweep {

int UsableCores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1U, std::thread::hardware_concurrency());
}

Compute ChooseCompute(const std::string& wanted, int threads, int local_rank, int core_sharers) {
  if (wanted != "auto" && wanted != "cpu" && wanted != "cuda") {
    throw UsageError(fmt::format("--device: '{}' is not a device; use auto, cpu or cuda", wanted));
  }
  if (threads < 0 || threads > 4096) {
    throw UsageError(fmt::format("--threads: {} is not in 0..4096", threads));
  }
  Compute compute;
  compute.workers = threads > 0 ? threads : std::max(1, UsableCores() / core_sharers);
  if (wanted == "cpu") return compute;
  const CudaPlugin* plugin = CudaPlugin::Load();
  const int gpus = plugin == nullptr ? 0 : plugin->device_count();
  if (gpus > 0) {
    compute.device = fmt::format("cuda:{}", local_rank % gpus);
  } else if (wanted == "cuda") {
    throw UsageError(
        fmt::format("--device cuda: {}; use --device cpu",
                    plugin == nullptr ? CudaPlugin::WhyNot() : "no GPU is visible here"));
  } else if (plugin == nullptr && std::filesystem::exists("/dev/nvidiactl")) {
    LogWarning("a GPU driver is here but cannot be used ({}); computing on the CPU",
               CudaPlugin::WhyNot());
  }
  return compute;
}

}  // namespace clipsweep
