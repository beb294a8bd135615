// Keys as the kernel reads them: vector lanes are classes, so that 16 per-class sums run side by
// side and need no horizontal adds. Group g holds classes 16 g .. 16 g + 15; slot s holds the s-th
// key of each.
#pragma once

#include <cstdint>
#include <vector>

namespace clipsweep {

inline constexpr std::int64_t kLanes = 16;

struct KeyLayout {
  std::int64_t first_class = 0;
  std::int64_t classes = 0;  // lanes in use: classes first_class .. first_class + classes - 1
  std::int64_t groups = 0;   // ceil(C / 16)
  std::int64_t slots = 0;    // keys of the largest class
  std::vector<std::int32_t>
      key_of_class;           // [groups, slots, 16] which of its class's keys; 0 for padding
  std::vector<float> weight;  // [groups, slots, 16] 1, or 0 for padding

  std::int64_t padded_classes() const { return groups * kLanes; }
};

// keys_by_class [C][n_c]: numbers of each class's keys, in the order they are to be added. Of the
// classes [first, last).
KeyLayout MakeKeyLayout(const std::vector<std::vector<std::int64_t>>& keys_by_class,
                        std::int64_t first, std::int64_t last);

}  // namespace clipsweep
