#include "finetune/methods/ape_channels.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "common/compute/tensors.h"

namespace clipsweep {

std::vector<std::int32_t> MostTellingChannels(const FewShot& problem, std::int64_t count, double w0,
                                              double w1, bool with_images) {
  const std::int64_t classes = problem.classes();
  const auto width = static_cast<std::size_t>(problem.width());
  const auto row_of = [&](const at::Tensor& rows, std::int64_t row) {
    return rows.const_data_ptr<float>() + row * problem.width();
  };
  // Sums over pairs of classes from sums over classes: (sum)^2 less the pairs of a class with
  // itself. A class's rows are averaged, so that classes with more keys weigh the same.
  std::vector<double> sum(width, 0.0), squares(width, 0.0), text_sum(width, 0.0),
      text_squares(width, 0.0), of_class(width);
  for (std::int64_t c = 0; c < classes; ++c) {
    const float* text = row_of(problem.text, c);
    std::copy_n(text, width, of_class.begin());
    double rows = 1;
    const auto first = problem.start[static_cast<std::size_t>(c)],
               last = problem.start[static_cast<std::size_t>(c) + 1];
    for (std::int64_t k = first; with_images && k < last; ++k, ++rows) {
      const float* key = row_of(problem.keys, k);
      for (std::size_t d = 0; d < width; ++d) of_class[d] += key[d];
    }
    for (std::size_t d = 0; d < width; ++d) {
      const double mean = of_class[d] / rows, value = text[d];
      sum[d] += mean;
      squares[d] += mean * mean;
      text_sum[d] += value;
      text_squares[d] += value * value;
    }
  }
  std::vector<double> score(width, 0.0);
  const auto c = static_cast<double>(classes);
  for (std::size_t d = 0; classes > 1 && d < width; ++d) {
    const double similarity = (sum[d] * sum[d] - squares[d]) / (c * (c - 1));
    const double variance = (text_squares[d] - text_sum[d] * text_sum[d] / c) / (c - 1);
    score[d] = -w0 * similarity + w1 * variance;
  }
  std::vector<std::int32_t> order(width);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    return score[static_cast<std::size_t>(a)] > score[static_cast<std::size_t>(b)];
  });
  order.resize(static_cast<std::size_t>(std::clamp<std::int64_t>(count, 1, problem.width())));
  std::sort(order.begin(), order.end());
  return order;
}

double ForWidth(double of_1024, const FewShot& problem) {
  return std::max(1.0, std::round(of_1024 * static_cast<double>(problem.width()) / 1024));
}

}  // namespace clipsweep
