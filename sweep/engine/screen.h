// The cheap look at all classes: affinities and text logits as a product that may be rounded, laid
// out as the bounds of sweep/kernels/lead_bounds.h read them. What they cannot rule out is computed
// exactly (rival_rows.h).
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "common/compute/bounded_product.h"
#include "sweep/kernels/lead_bounds.h"
#include "sweep/math/key_columns.h"

namespace clipsweep {

class Screen {
 public:
  // Some groups of 16 classes, lanes first_group * 16 .. of the classes held here.
  struct Tile {
    std::int64_t first_group = 0;
    std::vector<std::int64_t> slots, start;  // [groups]
    std::int64_t columns = 0;

    std::int64_t groups() const { return static_cast<std::int64_t>(slots.size()); }
    PeakTile View() const { return {groups(), slots.data(), start.data()}; }
    // Where the s-th key of a lane (counted from the tile's first) stands.
    std::int64_t At(std::int64_t lane, std::int64_t s) const {
      return start[static_cast<std::size_t>(lane / 16)] + s * 16 + lane % 16;
    }
  };

  // Keeps references. `held`: the classes whose keys are here.
  Screen(const CacheModel& cache_model, const KeyColumns& keys, ClassRange held, ProductKind kind);

  ProductKind kind() const { return kind_; }
  const std::vector<Tile>& tiles() const { return tiles_; }
  // [columns of the tile, D]. Any thread. Kept once made where all keys take up no more than 1 GB;
  // else made anew for each block of samples, which is then larger.
  RightRows WeightsOf(std::size_t tile) const;
  bool keeps_weights() const { return keeps_weights_; }
  // [lanes, D], zero for padding.
  const RightRows& text() const { return text_; }
  std::int64_t lanes() const { return lanes_; }

 private:
  RightRows MakeWeights(const Tile& tile) const;

  const CacheModel& cache_model_;
  const KeyColumns& keys_;
  const ClassRange held_;
  const ProductKind kind_;
  std::int64_t lanes_ = 0;
  bool keeps_weights_ = true;
  std::vector<Tile> tiles_;
  RightRows text_;
  std::unique_ptr<std::once_flag[]> made_;
  mutable std::vector<RightRows> weights_;
};

}  // namespace clipsweep
