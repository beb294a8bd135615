#include "sweep/kernels/key_layout.h"

#include <algorithm>

namespace clipsweep {

KeyLayout MakeKeyLayout(const std::vector<std::vector<std::int64_t>>& keys_by_class,
                        std::int64_t first, std::int64_t last) {
  KeyLayout layout;
  layout.first_class = first;
  layout.classes = last - first;
  layout.groups = (layout.classes + kLanes - 1) / kLanes;
  for (const auto& keys : keys_by_class) {
    layout.slots = std::max(layout.slots, static_cast<std::int64_t>(keys.size()));
  }
  const auto size = static_cast<std::size_t>(layout.groups * layout.slots * kLanes);
  layout.key_of_class.assign(size, 0);
  layout.weight.assign(size, 0.0f);
  for (std::int64_t c = 0; c < layout.classes; ++c) {
    const auto& keys = keys_by_class[static_cast<std::size_t>(first + c)];
    for (std::size_t s = 0; s < keys.size(); ++s) {
      const auto at = static_cast<std::size_t>(
          ((c / kLanes) * layout.slots + static_cast<std::int64_t>(s)) * kLanes + c % kLanes);
      layout.key_of_class[at] = static_cast<std::int32_t>(keys[s]);
      layout.weight[at] = 1.0f;
    }
  }
  return layout;
}

}  // namespace clipsweep
