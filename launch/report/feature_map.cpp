#include "launch/report/feature_map.h"
#include "common/compute/tensors.h"

#include <algorithm>

namespace clipsweep {
namespace {

constexpr std::int64_t kMostPoints = 2000;

}  // namespace

FeatureMap MapFeatures(const FeatureReader& features) {
  const FeatureSet& about = features.about();
  const std::int64_t step = (about.count + kMostPoints - 1) / kMostPoints;
  std::vector<float> rows;
  FeatureMap map;
  features.ForEachRow([&](std::int64_t row, std::span<const float> views) {
    if (row % step != 0) return;
    const auto plain = views.first(static_cast<std::size_t>(about.width));
    rows.insert(rows.end(), plain.begin(), plain.end());
    map.points.push_back({0, 0, about.labels[static_cast<std::size_t>(row)]});
  });
  NormalizeRows(rows, about.width);
  const auto count = static_cast<std::int64_t>(map.points.size());
  at::Tensor x = at::from_blob(rows.data(), {count, about.width}, at::kFloat).to(at::kDouble);
  x = x - x.mean(0, /*keepdim=*/true);
  const auto [values, vectors] = at::linalg_eigh(at::mm(x.t(), x));
  const double total = std::max(values.sum().item<double>(), 1e-300);
  const std::int64_t axes = std::min<std::int64_t>(2, about.width);
  for (std::int64_t axis = 0; axis < axes; ++axis) {
    at::Tensor direction = vectors.select(1, about.width - 1 - axis);
    const std::int64_t largest = direction.abs().argmax().item<std::int64_t>();
    if (direction[largest].item<double>() < 0) direction = -direction;
    const at::Tensor along = at::mv(x, direction).contiguous();
    const double share = std::max(0.0, values[about.width - 1 - axis].item<double>()) / total;
    (axis == 0 ? map.share_x : map.share_y) = share;
    for (std::int64_t i = 0; i < count; ++i) {
      auto& point = map.points[static_cast<std::size_t>(i)];
      (axis == 0 ? point.x : point.y) = along.const_data_ptr<double>()[i];
    }
  }
  return map;
}

}  // namespace clipsweep
