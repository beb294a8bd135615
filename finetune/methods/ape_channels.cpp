#include "finetune/methods/ape_channels.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "common/compute/tensors.h"

namespace clipsweep {

std::vector<std::int32_t> MostTellingChannels(const FewShot& problem, std::int64_t count, double w0,
                                              double w1, bool with_images) {
  const std::int64_t classes = problem.classes(), width = problem.width();
  const auto at_channel = [&](const at::Tensor& rows, std::int64_t row, std::int64_t d) {
    return static_cast<double>(rows.const_data_ptr<float>()[row * width + d]);
  };
  std::vector<double> score(static_cast<std::size_t>(width));
  for (std::int64_t d = 0; d < width; ++d) {
    // Sums over pairs of classes from sums over classes: (sum)^2 less the pairs of a class with
    // itself. A class's rows are averaged, so that classes with more keys weigh the same.
    double sum = 0, squares = 0, mean = 0, text_squares = 0;
    for (std::int64_t c = 0; c < classes; ++c) {
      const double text = at_channel(problem.text, c, d);
      double of_class = text;
      std::int64_t rows = 1;
      const auto first = problem.start[static_cast<std::size_t>(c)],
                 last = problem.start[static_cast<std::size_t>(c) + 1];
      for (std::int64_t k = first; with_images && k < last; ++k, ++rows) {
        of_class += at_channel(problem.keys, k, d);
      }
      of_class /= static_cast<double>(rows);
      sum += of_class;
      squares += of_class * of_class;
      mean += text;
      text_squares += text * text;
    }
    const auto c = static_cast<double>(classes);
    mean /= c;
    const double pairs = c * (c - 1);
    const double variance = classes > 1 ? (text_squares - c * mean * mean) / (c - 1) : 0;
    const double similarity = classes > 1 ? (sum * sum - squares) / pairs : 0;
    score[static_cast<std::size_t>(d)] = -w0 * similarity + w1 * variance;
  }
  std::vector<std::int32_t> order(static_cast<std::size_t>(width));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    return score[static_cast<std::size_t>(a)] > score[static_cast<std::size_t>(b)];
  });
  order.resize(static_cast<std::size_t>(std::clamp<std::int64_t>(count, 1, width)));
  std::sort(order.begin(), order.end());
  return order;
}

double ForWidth(double of_1024, const FewShot& problem) {
  return std::max(1.0, std::round(of_1024 * static_cast<double>(problem.width()) / 1024));
}

}  // namespace clipsweep
