#include "common/data/statistics.h"

#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <numeric>

namespace clipsweep {

MeanInterval Summarize(const std::vector<double>& values) {
  const auto n = static_cast<double>(values.size());
  MeanInterval out;
  out.mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  if (values.size() < 2) return out;
  double squares = 0;
  for (const double value : values) squares += (value - out.mean) * (value - out.mean);
  const boost::math::students_t distribution(n - 1);
  out.half_width = boost::math::quantile(distribution, 0.975) * std::sqrt(squares / (n - 1) / n);
  return out;
}

}  // namespace clipsweep
