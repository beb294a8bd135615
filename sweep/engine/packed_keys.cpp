#include "sweep/engine/packed_keys.h"

#include <limits>

namespace clipsweep {

void PackedKeys::Clear(std::size_t count) {
  const auto wide = static_cast<std::size_t>(kLanes);
  const std::size_t lanes = (count + wide - 1) / wide * wide;
  const std::size_t keys = lanes * static_cast<std::size_t>(layout_.slots);
  classes_.assign(lanes, -1);
  z_.assign(lanes, -std::numeric_limits<float>::infinity());
  weight_.assign(keys, 0.0f);
  distance_.assign(keys, 0.0f);
}

void PackedKeys::Copy(std::size_t i, const PackedKeys& from, std::size_t j) {
  classes_[i] = from.classes_[j];
  z_[i] = from.z_[j];
  std::size_t source = At(j), target = At(i);
  for (std::int64_t s = 0; s < layout_.slots; ++s) {
    weight_[target] = from.weight_[source];
    distance_[target] = from.distance_[source];
    source += kLanes;
    target += kLanes;
  }
}

}  // namespace clipsweep
