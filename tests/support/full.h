// Whether every case is tried (launch/test.sh --full), or a sample of them.
#pragma once

#include <cstdlib>
#include <string_view>

namespace clipsweep {

inline bool FullCounts() {
  const char* text = std::getenv("CLIPSWEEP_FULL");
  return text != nullptr && std::string_view(text) == "1";
}

}  // namespace clipsweep
