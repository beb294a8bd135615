// IEEE half precision by the compiler's own type: rounding to nearest even.
#pragma once

#include <vector>

namespace clipsweep {

// Each value rounded to the nearest half and back; values over 65504 become infinite.
inline void RoundToHalf(std::vector<float>& values) {
  for (float& value : values) value = static_cast<float>(static_cast<_Float16>(value));
}

}  // namespace clipsweep
