// Everything CUDA is in one shared library that is opened only when a GPU may be used: commands
// start fast, and one build runs on machines without a driver. What is in it is known to those who
// ask for it by name: common/comm (NCCL), common/compute (graphs), sweep/engine (the grid kernel).
#pragma once

#include <string>

namespace clipsweep {

class CudaPlugin {
 public:
  // Opened once; nullptr where there is none, see WhyNot.
  static const CudaPlugin* Load();
  static std::string WhyNot();

  int device_count() const { return Find<int()>("clipsweep_cuda_device_count")(); }

  // The library's function of type F with this name. Throws InternalError when it has none.
  template <typename F>
  F* Find(const char* name) const {
    return reinterpret_cast<F*>(FindSymbol(name));
  }

 private:
  explicit CudaPlugin(void* library) : library_(library) {}
  void* FindSymbol(const char* name) const;

  void* library_;
};

}  // namespace clipsweep
