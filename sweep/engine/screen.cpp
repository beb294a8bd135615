#include "sweep/engine/screen.h"

#include <algorithm>

#include "common/compute/tensors.h"
#include "sweep/kernels/key_layout.h"

namespace clipsweep {
namespace {

constexpr std::int64_t kTileColumns = 2048;
// Bytes of float32 keys, of all ranks together: blocks of samples hang on it, which are the same on
// every rank.
constexpr std::int64_t kMostKept = std::int64_t{1} << 30;

void CopyRow(const float* row, std::int64_t width, at::Tensor& rows, std::int64_t to) {
  std::copy_n(row, width, rows.mutable_data_ptr<float>() + to * width);
}

}  // namespace

Screen::Screen(const CacheModel& cache_model, const KeyColumns& keys, ClassRange held,
               ProductKind kind)
    : cache_model_(cache_model), keys_(keys), held_(held), kind_(kind) {
  const std::int64_t classes = held.last - held.first;
  const std::int64_t groups = (classes + kLanes - 1) / kLanes;
  lanes_ = groups * kLanes;
  for (std::int64_t g = 0; g < groups; ++g) {
    std::int64_t slots = 0;
    for (std::int64_t c = g * kLanes; c < std::min((g + 1) * kLanes, classes); ++c) {
      slots = std::max(slots, keys.CountOf(held.first + c));
    }
    if (tiles_.empty() || tiles_.back().columns + slots * kLanes > kTileColumns) {
      tiles_.emplace_back().first_group = g;
    }
    Tile& tile = tiles_.back();
    tile.slots.push_back(slots);
    tile.start.push_back(tile.columns);
    tile.columns += slots * kLanes;
  }
  at::Tensor text = at::zeros({lanes_, cache_model.width});
  for (std::int64_t c = 0; c < classes; ++c) {
    CopyRow(cache_model.text.data() + (held.first + c) * cache_model.width, cache_model.width, text,
            c);
  }
  text_ = RightRows::Make(text, kind);
  keeps_weights_ = keys.all() * cache_model.width * 4 <= kMostKept;
  made_ = std::make_unique<std::once_flag[]>(tiles_.size());
  weights_.resize(tiles_.size());
}

RightRows Screen::WeightsOf(std::size_t tile) const {
  if (!keeps_weights_) return MakeWeights(tiles_[tile]);
  std::call_once(made_[tile], [&] { weights_[tile] = MakeWeights(tiles_[tile]); });
  return weights_[tile];
}

RightRows Screen::MakeWeights(const Tile& tile) const {
  at::Tensor rows = at::zeros({tile.columns, cache_model_.width});
  for (std::int64_t lane = 0; lane < tile.groups() * kLanes; ++lane) {
    const std::int64_t c = held_.first + tile.first_group * kLanes + lane;
    if (c >= held_.last || keys_.CountOf(c) == 0) continue;
    for (std::int64_t s = 0; s < tile.slots[static_cast<std::size_t>(lane / kLanes)]; ++s) {
      const std::int64_t key = keys_.StartOf(c) + s % keys_.CountOf(c);
      CopyRow(keys_.Key(key), cache_model_.width, rows, tile.At(lane, s));
    }
  }
  return RightRows::Make(rows, kind_);
}

}  // namespace clipsweep
