#include "common/choose_comm.h"

#include <fmt/core.h>

#include "common/cuda_plugin.h"
#include "common/error.h"
#include "common/log.h"
#include "common/nccl_comm.h"

namespace clipsweep {
namespace {

// A slow rank may finish its share this much later than the first.
constexpr std::chrono::minutes kDeadline{30};

}  // namespace

std::unique_ptr<Comm> ChooseComm(const std::string& wanted, const Compute& compute, int local_size,
                                 Comm& world) {
  if (wanted != "auto" && wanted != "mpi" && wanted != "nccl") {
    throw UsageError(fmt::format("--comm: '{}' is none; use auto, mpi or nccl", Printable(wanted)));
  }
  if (wanted == "mpi" || world.size() == 1) return nullptr;
  const CudaPlugin* plugin = compute.on_gpu() ? CudaPlugin::Load() : nullptr;
  std::int64_t without = plugin == nullptr ? 1 : 0;
  std::int64_t sharing = plugin != nullptr && local_size > plugin->device_count() ? 1 : 0;
  world.MaxInt64(std::span(&without, 1));
  world.MaxInt64(std::span(&sharing, 1));
  if (without == 0 && sharing == 0) {
    const int device = std::stoi(compute.device.substr(compute.device.find(':') + 1));
    return std::make_unique<NcclComm>(world, plugin->MakeNccl(device), kDeadline);
  }
  if (wanted == "nccl") {
    throw UsageError(fmt::format("--comm nccl: {}; use --comm mpi",
                                 without != 0 ? "not every rank computes on a GPU"
                                              : "ranks share a GPU, where NCCL refuses to work"));
  }
  if (sharing != 0 && world.is_root())
    LogInfo("ranks share a GPU: collectives go over MPI, not NCCL");
  return nullptr;
}

}  // namespace clipsweep
