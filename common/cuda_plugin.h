// Everything CUDA is in one shared library that is opened only when a GPU may be used: commands
// start fast, and one build runs on machines without a driver.
#pragma once

#include <memory>
#include <string>

#include "common/graph_runner.h"
#include "common/nccl_comm.h"

namespace clipsweep {

// sweep/grid_kernel.h
struct GridKernelArgs;
using GridLaunch = const char* (*)(const GridKernelArgs& args, int device);

class CudaPlugin {
 public:
  // Opened once; nullptr where there is none, see WhyNot.
  static const CudaPlugin* Load();
  static std::string WhyNot();

  int device_count() const { return device_count_(); }
  std::unique_ptr<NcclBackend> MakeNccl(int device) const {
    return std::unique_ptr<NcclBackend>(nccl_(device));
  }
  // See GraphRunner; `example` gives the input's shape and type.
  std::unique_ptr<GraphRunner> MakeGraph(int device, const GraphRunner::Function& function,
                                         const at::Tensor& example) const {
    return std::unique_ptr<GraphRunner>(graph_(device, function, example));
  }
  GridLaunch grid_launch() const { return grid_; }

 private:
  int (*device_count_)() = nullptr;
  GraphRunner* (*graph_)(int, const GraphRunner::Function&, const at::Tensor&) = nullptr;
  NcclBackend* (*nccl_)(int) = nullptr;
  GridLaunch grid_ = nullptr;
};

}  // namespace clipsweep
