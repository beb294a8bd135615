#include "common/comm/choose_comm.h"

#include <fmt/core.h>

#include <cmath>

#include "common/comm/nccl_comm.h"
#include "common/compute/cuda_plugin.h"
#include "common/process/error.h"
#include "common/process/log.h"

namespace clipsweep {
namespace {

// Without --stall-timeout: a slow rank may finish its share this much later than the first.
constexpr std::chrono::hours kLongest{24};

// nccl_backend.cpp
std::unique_ptr<NcclBackend> MakeBackend(const CudaPlugin& plugin, int device) {
  return std::unique_ptr<NcclBackend>(
      plugin.Find<NcclBackend*(int)>("clipsweep_cuda_nccl")(device));
}

}  // namespace

std::unique_ptr<Comm> ChooseComm(const std::string& wanted, const Compute& compute, int local_size,
                                 double stall_timeout, Comm& world) {
  if (wanted != "auto" && wanted != "mpi" && wanted != "nccl") {
    throw UsageError(fmt::format("--comm: '{}' is not one of auto, mpi, nccl", Printable(wanted)));
  }
  if (wanted == "mpi" || world.size() == 1) return nullptr;
  const CudaPlugin* plugin = compute.on_gpu() ? CudaPlugin::Load() : nullptr;
  std::int64_t without = plugin == nullptr ? 1 : 0;
  std::int64_t sharing = plugin != nullptr && local_size > plugin->device_count() ? 1 : 0;
  world.MaxInt64(std::span(&without, 1));
  world.MaxInt64(std::span(&sharing, 1));
  if (without == 0 && sharing == 0) {
    const int device = std::stoi(compute.device.substr(compute.device.find(':') + 1));
    const auto deadline = stall_timeout > 0
                              ? std::chrono::milliseconds(std::llround(stall_timeout * 1000))
                              : kLongest;
    return std::make_unique<NcclComm>(world, MakeBackend(*plugin, device), deadline);
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
