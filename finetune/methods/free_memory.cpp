#include "finetune/methods/free_memory.h"

#include <fmt/core.h>

#include <fstream>
#include <limits>

#include "common/process/error.h"
#include "common/process/log.h"

namespace clipsweep {
namespace {

// What the kernel says can be had without swapping; no limit where it does not say.
double AvailableBytes() {
  std::ifstream info("/proc/meminfo");
  std::string name, unit;
  for (double kib = 0; info >> name >> kib; std::getline(info, unit)) {
    if (name == "MemAvailable:") return kib * 1024;
  }
  return std::numeric_limits<double>::infinity();
}

}  // namespace

void RequireMemory(const std::string& method, double bytes, const std::string& what) {
  constexpr double kGib = 1073741824.0;
  const double available = AvailableBytes();
  if (bytes > available) {
    throw InputError(fmt::format(
        "{}: {} needs {:.1f} GiB of memory and {:.1f} are free; ask for fewer shots, or give "
        "another method",
        method, what, bytes / kGib, available / kGib));
  }
  if (bytes >= kGib) LogInfo("{}: {} takes {:.1f} GiB of memory", method, what, bytes / kGib);
}

}  // namespace clipsweep
