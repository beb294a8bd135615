// Memory that a method needs at once is said before it starts, and refused where it is not there.
#pragma once

#include <cstdint>
#include <string>

namespace clipsweep {

// Throws InputError when the machine has less free than `bytes` for `what`; says a need of a GiB
// and more in the log.
void RequireMemory(const std::string& method, double bytes, const std::string& what);

// Bytes, the most that this process has held so far; 0 where the system does not say.
std::int64_t PeakMemory();

}  // namespace clipsweep
