#include "launch/pages/sweep_report.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "common/disk/file_system.h"
#include "common/disk/text_output.h"
#include "launch/pages/markup.h"

namespace clipsweep {
namespace {

constexpr double kPlateau = 0.95;
constexpr std::size_t kMostCells = 20'000;  // drawn in one map of the page
constexpr double kWidth = 880, kLeft = 60, kTop = 8, kBottom = 44;

// Mean accuracy over subsets, or the best of `step_a` x `step_b` neighbours.
struct Map {
  std::size_t columns = 0, rows = 0;  // alpha, beta
  std::vector<double> value;          // [rows, columns]
  std::vector<std::size_t> point;     // the grid point shown: beta * alphas + alpha
  double At(std::size_t row, std::size_t column) const { return value[row * columns + column]; }
};

std::vector<double> MeanOverSeeds(const SweepData& data, std::size_t shots) {
  const std::size_t points = data.alpha.size() * data.beta.size(), seeds = data.seeds.size();
  std::vector<double> mean(points, 0);
  for (std::size_t r = 0; r < seeds; ++r) {
    const auto* counts = data.top1.data() + (shots * seeds + r) * points;
    for (std::size_t i = 0; i < points; ++i) mean[i] += static_cast<double>(counts[i]);
  }
  const double all = static_cast<double>(data.result.tune_samples) * static_cast<double>(seeds);
  for (double& value : mean) value /= all;
  return mean;
}

Map Shrink(const std::vector<double>& mean, std::size_t alphas, std::size_t betas,
           std::size_t most_cells) {
  std::size_t step_a = 1, step_b = 1;
  const auto cells = [](std::size_t count, std::size_t step) { return (count + step - 1) / step; };
  while (cells(alphas, step_a) * cells(betas, step_b) > most_cells) {
    ++(cells(alphas, step_a) > cells(betas, step_b) ? step_a : step_b);
  }
  Map map{cells(alphas, step_a), cells(betas, step_b), {}, {}};
  map.value.assign(map.columns * map.rows, -1);
  map.point.assign(map.value.size(), 0);
  for (std::size_t i = 0; i < mean.size(); ++i) {
    const std::size_t cell = i / alphas / step_b * map.columns + i % alphas / step_a;
    if (mean[i] <= map.value[cell]) continue;
    map.value[cell] = mean[i];
    map.point[cell] = i;
  }
  return map;
}

// Border of the cells at or above `threshold`, as an SVG path.
std::string Outline(const Map& map, double threshold, double width, double height) {
  const auto in = [&](std::size_t row, std::size_t column) {
    return row < map.rows && column < map.columns && map.At(row, column) >= threshold;
  };
  std::string path;
  for (std::size_t r = 0; r < map.rows; ++r) {
    for (std::size_t c = 0; c < map.columns; ++c) {
      if (!in(r, c)) continue;
      const double x = kLeft + static_cast<double>(c) * width;
      const double y = kTop + static_cast<double>(r) * height;
      // Below row 0 and left of column 0 the unsigned index wraps and is outside.
      if (!in(r - 1, c)) path += fmt::format("M{:.2f} {:.2f}h{:.2f}", x, y, width);
      if (!in(r + 1, c)) path += fmt::format("M{:.2f} {:.2f}h{:.2f}", x, y + height, width);
      if (!in(r, c - 1)) path += fmt::format("M{:.2f} {:.2f}v{:.2f}", x, y, height);
      if (!in(r, c + 1)) path += fmt::format("M{:.2f} {:.2f}v{:.2f}", x + width, y, height);
    }
  }
  return path;
}

// Around six values along an axis.
std::vector<std::size_t> Ticks(std::size_t cells) {
  std::vector<std::size_t> ticks;
  const std::size_t step = std::max<std::size_t>(1, (cells + 5) / 6);
  for (std::size_t i = 0; i < cells; i += step) ticks.push_back(i);
  return ticks;
}

}  // namespace

std::string HeatMapFigure(const SweepData& data, std::size_t shots, std::size_t most_cells) {
  const std::size_t alphas = data.alpha.size();
  const std::vector<double> mean = MeanOverSeeds(data, shots);
  const Map map = Shrink(mean, alphas, data.beta.size(), most_cells);
  const auto best = static_cast<std::size_t>(std::max_element(map.value.begin(), map.value.end()) -
                                             map.value.begin());
  const double low = *std::min_element(map.value.begin(), map.value.end()), high = map.value[best];
  const double zero_shot = static_cast<double>(data.result.tune_zero_shot.top1) /
                           static_cast<double>(data.result.tune_samples);
  const double threshold = zero_shot + kPlateau * (high - zero_shot);
  const double width = kWidth / static_cast<double>(map.columns);
  const double height = std::clamp(440.0 / static_cast<double>(map.rows), 2.0, 24.0);
  const double bottom = kTop + height * static_cast<double>(map.rows);
  const auto alpha_of = [&](std::size_t cell) { return data.alpha[map.point[cell] % alphas]; };
  const auto beta_of = [&](std::size_t cell) { return data.beta[map.point[cell] / alphas]; };
  std::string page = fmt::format(
      "<h3>{} shot{}</h3>\n<p>Best {:.2f} % at alpha {:.6g}, beta {:.6g}; zero-shot {:.2f} %; "
      "drawn "
      "values {:.2f} to {:.2f} %{}.</p>\n<figure><svg class=\"chart\" viewBox=\"0 0 {:.0f} "
      "{:.0f}\" width=\"{:.0f}\" height=\"{:.0f}\" "
      "role=\"img\" aria-label=\"Accuracy over alpha and beta\">\n",
      data.shots[shots], data.shots[shots] == 1 ? "" : "s", 100 * high, alpha_of(best),
      beta_of(best), 100 * zero_shot, 100 * low, 100 * high,
      map.value.size() < mean.size() ? "; each cell shows the best of its neighbouring points" : "",
      kLeft + kWidth + 12, bottom + kBottom, kLeft + kWidth + 12, bottom + kBottom);
  for (std::size_t cell = 0; cell < map.value.size(); ++cell) {
    const double value = map.value[cell];
    page += fmt::format(
        "<rect class=\"cell\" x=\"{:.2f}\" y=\"{:.2f}\" width=\"{:.2f}\" height=\"{:.2f}\" "
        "fill=\"{}\"><title>alpha "
        "{:.6g}, beta {:.6g}: {:.2f} %{}</title></rect>\n",
        kLeft + static_cast<double>(cell % map.columns) * width,
        kTop + static_cast<double>(cell / map.columns) * height, width + 0.1, height + 0.1,
        ShadeOf(value, low, high).fill, alpha_of(cell), beta_of(cell), 100 * value,
        value >= threshold && high > zero_shot ? ", plateau" : "");
  }
  if (high > zero_shot) {
    page +=
        fmt::format("<path class=\"plateau\" d=\"{}\"/>\n", Outline(map, threshold, width, height));
  }
  page += fmt::format(
      "<rect class=\"best\" x=\"{:.2f}\" y=\"{:.2f}\" width=\"{:.2f}\" height=\"{:.2f}\"/>\n",
      kLeft + static_cast<double>(best % map.columns) * width - 1,
      kTop + static_cast<double>(best / map.columns) * height - 1, width + 2, height + 2);
  for (const std::size_t column : Ticks(map.columns)) {
    page += fmt::format("<text class=\"across\" x=\"{:.2f}\" y=\"{:.2f}\">{:.4g}</text>\n",
                        kLeft + (static_cast<double>(column) + 0.5) * width, bottom + 16,
                        alpha_of(column));
  }
  for (const std::size_t row : Ticks(map.rows)) {
    page += fmt::format("<text class=\"down\" x=\"{:.2f}\" y=\"{:.2f}\">{:.4g}</text>\n", kLeft - 6,
                        kTop + (static_cast<double>(row) + 0.5) * height + 4,
                        beta_of(row * map.columns));
  }
  page += fmt::format(
      "<text class=\"across\" x=\"{:.2f}\" y=\"{:.2f}\">alpha</text>\n<text x=\"0\" "
      "y=\"{:.2f}\">beta</text>\n</svg></figure>\n",
      kLeft + kWidth / 2, bottom + 36, bottom + 36);
  return page;
}

void WriteSweepCsv(const std::filesystem::path& path, const SweepData& data) {
  TextOutput file(path);
  std::string lines = "shots,subset_seed,alpha,beta,top1,top5,samples,tuned_on\n";
  const auto flush = [&] {
    file.Write(lines);
    lines.clear();
  };
  std::size_t at = 0;
  for (const std::int64_t shots : data.shots) {
    for (const std::int64_t seed : data.seeds) {
      for (const double beta : data.beta) {
        for (const double alpha : data.alpha) {
          lines += fmt::format("{},{},{:.12g},{:.12g},{},{},{},{}\n", shots, seed, alpha, beta,
                               data.top1[at], data.top5[at], data.result.tune_samples,
                               TunedOnName(data.result.tuned_on));
          ++at;
        }
        flush();
      }
    }
  }
  file.Commit();
}

std::string HeatMapPage(const SweepData& data) {
  const SweepResult& result = data.result;
  std::string page = PageHead("Tip-Adapter grid", kChartStyle);
  page += fmt::format(
      "<h1>Tip-Adapter over alpha and beta</h1>\n<p>{} points, top-1 accuracy on {} {}, mean over "
      "{} "
      "{}. Red: the best cell. White line: cells that keep 95 % of its gain over zero-shot. Hover "
      "for values.</p>\n",
      result.points, result.tune_samples,
      result.tuned_on == TunedOn::kTest
          ? "<strong>test</strong> images (tuned on test)"
          : fmt::format("tuning images ({})", TunedOnName(result.tuned_on)),
      data.seeds.size(), data.seeds.size() == 1 ? "subset" : "subsets");
  for (std::size_t s = 0; s < data.shots.size(); ++s) page += HeatMapFigure(data, s, kMostCells);
  return page + "</body>\n</html>\n";
}

}  // namespace clipsweep
