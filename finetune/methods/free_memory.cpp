#include "finetune/methods/free_memory.h"

#include <fmt/core.h>

#include <fstream>
#include <limits>
#include <optional>

#include "common/process/error.h"
#include "common/process/log.h"

namespace clipsweep {
namespace {

// The bytes of a line "NAME:   12 kB" of a file under /proc; nothing where it is not there.
std::optional<double> BytesOf(const char* path, const std::string& name) {
  std::ifstream lines(path);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(name + ":")) return std::stod(line.substr(name.size() + 1)) * 1024;
  }
  return std::nullopt;
}

}  // namespace

void RequireMemory(const std::string& method, double bytes, const std::string& what) {
  constexpr double kGib = 1073741824.0;
  // What can be had without swapping; no limit where the system does not say.
  const double available =
      BytesOf("/proc/meminfo", "MemAvailable").value_or(std::numeric_limits<double>::infinity());
  if (bytes > available) {
    throw InputError(fmt::format(
        "{}: {} needs {:.1f} GiB of memory and {:.1f} are free; ask for fewer shots, or give "
        "another method",
        method, what, bytes / kGib, available / kGib));
  }
  if (bytes >= kGib) LogInfo("{}: {} takes {:.1f} GiB of memory", method, what, bytes / kGib);
}

std::int64_t PeakMemory() {
  return static_cast<std::int64_t>(BytesOf("/proc/self/status", "VmHWM").value_or(0));
}

}  // namespace clipsweep
