#include "common/compute/cuda_plugin.h"

#include <dlfcn.h>

#include <cstring>
#include <filesystem>
#include <optional>

#include "common/process/error.h"

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

bool IsOfThisVersion(void* library) {
  const auto version =
      reinterpret_cast<const char* (*)()>(::dlsym(library, "clipsweep_cuda_version"));
  return version != nullptr && std::strcmp(version(), CLIPSWEEP_VERSION) == 0;
}

}  // namespace

const CudaPlugin* CudaPlugin::Load() {
  static const std::optional<CudaPlugin> plugin = []() -> std::optional<CudaPlugin> {
    // Without a driver's device file the library would only cost seconds of loading.
    if (!std::filesystem::exists("/dev/nvidiactl")) {
      g_why_not = "no NVIDIA driver is loaded on this machine";
      return std::nullopt;
    }
    void* library = OpenPlugin();
    if (library == nullptr) return std::nullopt;
    if (!IsOfThisVersion(library)) {
      g_why_not = std::string(kName) + " is of another version";
      return std::nullopt;
    }
    return CudaPlugin(library);
  }();
  return plugin ? &*plugin : nullptr;
}

std::string CudaPlugin::WhyNot() { return g_why_not; }

void* CudaPlugin::FindSymbol(const char* name) const {
  void* found = ::dlsym(library_, name);
  if (found == nullptr) throw InternalError(std::string(kName) + " has no " + name);
  return found;
}

}  // namespace clipsweep
