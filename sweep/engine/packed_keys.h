// The keys of some classes of a task side by side, as the kernels read them, with what is known of
// one sample.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sweep/kernels/class_sums.h"
#include "sweep/kernels/key_layout.h"

namespace clipsweep {

class PackedKeys {
 public:
  // Keeps a reference.
  explicit PackedKeys(const KeyLayout& layout) : layout_(layout) {}

  // Room for `count` classes, all padding: no class, z of -inf, weights of 0.
  void Clear(std::size_t count);
  // Lane i is class c with this z; distance(key) is that of a key of the class, counted among all
  // that are here.
  template <typename Distance>
  void Put(std::size_t i, std::int64_t c, float z, const Distance& distance);
  // Lane i is lane j of `from`.
  void Copy(std::size_t i, const PackedKeys& from, std::size_t j);

  std::int64_t lanes() const { return static_cast<std::int64_t>(classes_.size()); }
  std::int32_t class_of(std::size_t i) const { return classes_[i]; }  // -1 for padding
  const std::int32_t* classes() const { return classes_.data(); }
  const float* z() const { return z_.data(); }
  LaneKeys View() const {
    return {lanes() / kLanes, layout_.slots, weight_.data(), distance_.data()};
  }

 private:
  // Of slot 0 of lane i; the next slot is kLanes further.
  std::size_t At(std::size_t i) const {
    const auto lanes = static_cast<std::size_t>(kLanes);
    return i / lanes * static_cast<std::size_t>(layout_.slots) * lanes + i % lanes;
  }

  const KeyLayout& layout_;
  std::vector<std::int32_t> classes_;
  std::vector<float> weight_, distance_, z_;
};

template <typename Distance>
void PackedKeys::Put(std::size_t i, std::int64_t c, float z, const Distance& distance) {
  classes_[i] = static_cast<std::int32_t>(c);
  z_[i] = z;
  std::size_t from = At(static_cast<std::size_t>(c - layout_.first_class)), to = At(i);
  for (std::int64_t s = 0; s < layout_.slots && layout_.weight[from] != 0; ++s) {
    weight_[to] = 1.0f;
    distance_[to] = distance(layout_.key_of_class[from]);
    from += kLanes;
    to += kLanes;
  }
}

}  // namespace clipsweep
