#include "sweep/engine/rival_rows.h"

#include <algorithm>
#include <numeric>

#include "sweep/kernels/dot_products.h"

namespace clipsweep {

void RivalRows::Compute(const std::vector<Rival>& rivals) {
  // By class, so that a class's keys are fetched once for all samples that meet it.
  first_of_class_.assign(static_cast<std::size_t>(cache_model_.classes) + 1, 0);
  for (const Rival& rival : rivals) ++first_of_class_[static_cast<std::size_t>(rival.number) + 1];
  std::partial_sum(first_of_class_.begin(), first_of_class_.end(), first_of_class_.begin());
  order_.resize(rivals.size());
  std::vector<std::int32_t> next(first_of_class_.begin(), first_of_class_.end() - 1);
  for (std::size_t i = 0; i < rivals.size(); ++i) {
    order_[static_cast<std::size_t>(next[static_cast<std::size_t>(rivals[i].number)]++)] =
        static_cast<std::int32_t>(i);
  }
  start_.resize(rivals.size());
  z_.resize(rivals.size());
  std::int64_t size = 0;
  for (const std::int32_t i : order_) {
    start_[static_cast<std::size_t>(i)] = size;
    size += SizeOf(rivals[static_cast<std::size_t>(i)].number);
  }
  values_.resize(static_cast<std::size_t>(size));
  std::vector<const float*> features, rows;
  for (std::int64_t c = 0; c < cache_model_.classes; ++c) {
    const auto first = first_of_class_[static_cast<std::size_t>(c)];
    const auto last = first_of_class_[static_cast<std::size_t>(c) + 1];
    if (first == last) continue;
    features.clear();
    rows.clear();
    for (auto at = first; at < last; ++at) {
      const auto i = static_cast<std::size_t>(order_[static_cast<std::size_t>(at)]);
      features.push_back(queries_.features.data() + rivals[i].sample * cache_model_.width);
    }
    for (std::int64_t column = keys_.StartOf(c); column < keys_.StartOf(c + 1); ++column) {
      rows.push_back(keys_.Key(column));
    }
    rows.push_back(cache_model_.text.data() + c * cache_model_.width);
    const auto begin = static_cast<std::size_t>(order_[static_cast<std::size_t>(first)]);
    DotProducts(features, rows, cache_model_.width, values_.data() + start_[begin]);
    for (auto at = first; at < last; ++at) {
      const auto i = static_cast<std::size_t>(order_[static_cast<std::size_t>(at)]);
      z_[i] =
          cache_model_.logit_scale * values_[static_cast<std::size_t>(start_[i] + SizeOf(c) - 1)];
    }
  }
}

}  // namespace clipsweep
