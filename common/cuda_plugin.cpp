#include "common/cuda_plugin.h"

#include <dlfcn.h>

#include <filesystem>

namespace clipsweep {
namespace {

constexpr const char* kName = "libclipsweep_cuda.so";
std::string g_why_not = "not looked for yet";

// Beside the program (build tree), then in ../lib (installed).
void* OpenPlugin() {
  std::error_code code;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", code).parent_path();
  for (const auto& path : {program / kName, program.parent_path() / "lib" / kName}) {
    if (!std::filesystem::exists(path, code)) continue;
    void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
    if (library == nullptr) g_why_not = ::dlerror();
    return library;
  }
  g_why_not = "this build has no CUDA part (no nvcc or NCCL where it was built)";
  return nullptr;
}

}  // namespace

const CudaPlugin* CudaPlugin::Load() {
  static const std::unique_ptr<CudaPlugin> plugin = []() -> std::unique_ptr<CudaPlugin> {
    // Without a driver's device file the library would only cost seconds of loading.
    if (!std::filesystem::exists("/dev/nvidiactl")) {
      g_why_not = "no NVIDIA driver is loaded on this machine";
      return nullptr;
    }
    void* library = OpenPlugin();
    if (library == nullptr) return nullptr;
    auto made = std::make_unique<CudaPlugin>();
    made->device_count_ =
        reinterpret_cast<int (*)()>(::dlsym(library, "clipsweep_cuda_device_count"));
    made->nccl_ = reinterpret_cast<NcclBackend* (*)(int)>(::dlsym(library, "clipsweep_cuda_nccl"));
    made->graph_ =
        reinterpret_cast<decltype(made->graph_)>(::dlsym(library, "clipsweep_cuda_graph"));
    made->grid_ = reinterpret_cast<GridLaunch>(::dlsym(library, "clipsweep_cuda_grid"));
    if (made->device_count_ == nullptr || made->nccl_ == nullptr || made->graph_ == nullptr ||
        made->grid_ == nullptr) {
      g_why_not = std::string(kName) + " is of another version";
      return nullptr;
    }
    return made;
  }();
  return plugin.get();
}

std::string CudaPlugin::WhyNot() { return g_why_not; }

}  // namespace clipsweep
