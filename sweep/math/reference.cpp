#include "sweep/math/reference.h"

#include <algorithm>
#include <cmath>

namespace clipsweep {
namespace {

double Dot(const float* a, const float* b, std::int64_t width) {
  double sum = 0;
  for (std::int64_t d = 0; d < width; ++d) sum += static_cast<double>(a[d]) * b[d];
  return sum;
}

}  // namespace

std::vector<double> ReferenceZ(const CacheModel& cache_model, const float* feature) {
  std::vector<double> z;
  for (std::int64_t c = 0; c < cache_model.classes; ++c) {
    z.push_back(cache_model.logit_scale *
                Dot(feature, cache_model.text.data() + c * cache_model.width, cache_model.width));
  }
  return z;
}

std::vector<double> ReferenceS(const CacheModel& cache_model,
                               const std::vector<std::vector<std::int64_t>>& rows_by_class,
                               std::int64_t shots, double beta, const float* feature) {
  std::vector<double> s;
  for (const std::vector<std::int64_t>& rows : rows_by_class) {
    const std::size_t used = std::min(rows.size(), static_cast<std::size_t>(shots));
    double sum = 0;
    for (std::size_t i = 0; i < used; ++i) {
      sum += std::exp(-beta * (1.0 - Dot(feature, cache_model.Key(rows[i]), cache_model.width)));
    }
    s.push_back(sum);
  }
  return s;
}

std::int64_t ReferenceAhead(const std::vector<double>& z, const std::vector<double>& s,
                            double alpha, std::int64_t label) {
  const auto y = static_cast<std::size_t>(label);
  std::int64_t ahead = 0;
  for (std::size_t c = 0; c < z.size(); ++c) {
    const double lead = (z[c] - z[y]) + alpha * (s[c] - s[y]);
    if (lead > 0 || (lead == 0 && c < y)) ++ahead;
  }
  return ahead;
}

GridCounts ReferenceCounts(const CacheModel& cache_model, const Queries& queries,
                           const GridTask& task) {
  const auto points =
      static_cast<std::int64_t>(task.shots.size()) * task.beta.count * task.alpha.count;
  GridCounts counts;
  counts.top1.assign(static_cast<std::size_t>(points), 0);
  counts.top5.assign(static_cast<std::size_t>(points), 0);
  for (std::int64_t i = 0; i < queries.count(); ++i) {
    const float* feature = queries.features.data() + i * cache_model.width;
    const std::vector<double> z = ReferenceZ(cache_model, feature);
    std::size_t point = 0;
    for (const std::int64_t shots : task.shots) {
      for (const double beta : task.beta.Values()) {
        const auto s = ReferenceS(cache_model, task.rows_by_class, shots, beta, feature);
        for (const double alpha : task.alpha.Values()) {
          const std::int64_t ahead =
              ReferenceAhead(z, s, alpha, queries.labels[static_cast<std::size_t>(i)]);
          if (ahead == 0) ++counts.top1[point];
          if (ahead < 5) ++counts.top5[point];
          ++point;
        }
      }
    }
  }
  return counts;
}

}  // namespace clipsweep
