#include "launch/pages/charts.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "launch/pages/markup.h"

namespace clipsweep {
namespace {

constexpr double kLeft = 62, kRight = 16, kTop = 34, kBottom = 48, kLegendLine = 18;
constexpr double kBarRow = 22;
constexpr double kMostTicks = 100;

// Maps values to places on the page.
class Axis2 {
 public:
  Axis2(const ChartOptions& options, double x_low, double x_high, double y_low, double y_high)
      : options_(options),
        x_low_(Along(x_low)),
        x_high_(Along(x_high)),
        y_low_(y_low),
        y_high_(y_high) {
    if (x_high_ <= x_low_) {
      x_low_ -= 0.5;
      x_high_ += 0.5;
    }
    if (y_high_ <= y_low_) y_high_ = y_low_ + 1;
  }
  double X(double value) const {
    return kLeft + (Along(value) - x_low_) / (x_high_ - x_low_) * (options_.width - kLeft - kRight);
  }
  double Y(double value) const {
    return Bottom() - (value - y_low_) / (y_high_ - y_low_) * (Bottom() - kTop);
  }
  double Bottom() const { return options_.height - kBottom; }
  double Right() const { return options_.width - kRight; }

 private:
  double Along(double value) const { return options_.log_x ? std::log2(value) : value; }

  const ChartOptions& options_;
  double x_low_, x_high_, y_low_, y_high_;
};

std::string Open(const ChartOptions& options, double height, const std::string& description) {
  return fmt::format(
      "<figure><svg class=\"chart\" viewBox=\"0 0 {0:.0f} {1:.0f}\" width=\"{0:.0f}\" "
      "height=\"{1:.0f}\" role=\"img\" aria-label=\"{2}\">\n<text class=\"title\" x=\"{3:.0f}\" "
      "y=\"18\">{4}</text>\n",
      options.width, height, EscapeHtml(options.title + ". " + description), kLeft,
      EscapeHtml(options.title));
}

std::string Frame(const ChartOptions& options, const Axis2& axis,
                  const std::vector<double>& x_ticks, const std::vector<double>& y_ticks) {
  std::string svg;
  for (const double y : y_ticks) {
    svg += fmt::format(
        "<line class=\"grid\" x1=\"{0:.0f}\" x2=\"{1:.0f}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/><text "
        "class=\"down\" x=\"{3:.0f}\" y=\"{4:.1f}\">{5:.6g}</text>\n",
        kLeft, axis.Right(), axis.Y(y), kLeft - 7, axis.Y(y) + 4, y);
  }
  for (std::size_t i = 0; i < x_ticks.size(); ++i) {
    const std::string text = fmt::format("{:.6g}", x_ticks[i]);
    svg += fmt::format(
        "<line class=\"axis\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1:.1f}\" y2=\"{2:.1f}\"/><text "
        "class=\"across\" x=\"{0:.1f}\" y=\"{3:.1f}\">{4}</text>\n",
        axis.X(x_ticks[i]), axis.Bottom(), axis.Bottom() + 4, axis.Bottom() + 18, text);
  }
  svg += fmt::format(
      "<path class=\"axis\" d=\"M{0:.0f} {1:.0f}V{2:.1f}H{3:.0f}\"/>\n<text class=\"across label\" "
      "x=\"{4:.1f}\" y=\"{5:.1f}\">{6}</text>\n<text class=\"across label\" "
      "transform=\"translate(14 {7:.1f}) rotate(-90)\">{8}</text>\n",
      kLeft, kTop, axis.Bottom(), axis.Right(), (kLeft + axis.Right()) / 2, axis.Bottom() + 38,
      EscapeHtml(options.x_label), (kTop + axis.Bottom()) / 2, EscapeHtml(options.y_label));
  return svg;
}

// 0, then five in turn.
int ColourOf(int number) { return number == 0 ? 0 : (number - 1) % 5 + 1; }

// Solid for the first five, then dashed, then dotted.
const char* DashOf(int number) {
  return number <= 5    ? ""
         : number <= 10 ? " stroke-dasharray=\"7 4\""
                        : " stroke-dasharray=\"2 4\"";
}

// A mark a series can be told by without colour.
std::string Mark(int shape, double x, double y, const std::string& title) {
  const std::string inside = "<title>" + EscapeHtml(title) + "</title>";
  const std::string cls = fmt::format("f{}", ColourOf(shape));
  switch (shape % 3) {
    case 0:
      return fmt::format("<circle class=\"{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\">{}</circle>",
                         cls, x, y, inside);
    case 1:
      return fmt::format(
          "<rect class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"8\" height=\"8\">{}</rect>", cls,
          x - 4, y - 4, inside);
    default:
      return fmt::format("<path class=\"{}\" d=\"M{:.1f} {:.1f}l5 9h-10z\">{}</path>", cls, x,
                         y - 5, inside);
  }
}

std::string Legend(const std::vector<Series>& series, double top) {
  std::string svg;
  for (std::size_t i = 0; i < series.size(); ++i) {
    const double y = top + kLegendLine * static_cast<double>(i);
    svg += Mark(series[i].number, kLeft + 6, y - 4, series[i].name) +
           fmt::format("<text x=\"{:.0f}\" y=\"{:.1f}\">{}</text>\n", kLeft + 18, y,
                       EscapeHtml(series[i].name));
  }
  return svg;
}

std::string Draw(const Series& series, const Axis2& axis) {
  std::string svg, path;
  for (std::size_t i = 0; i < series.x.size(); ++i) {
    const double x = axis.X(series.x[i]), y = axis.Y(series.y[i]);
    path += fmt::format("{}{:.1f} {:.1f}", i == 0 ? 'M' : 'L', x, y);
    const double half = series.half.empty() ? 0 : series.half[i];
    if (half > 0) {
      svg += fmt::format(
          "<path class=\"l{0}\" d=\"M{1:.1f} {2:.1f}V{3:.1f}M{4:.1f} {2:.1f}h8M{4:.1f} "
          "{3:.1f}h8\"/>",
          ColourOf(series.number), x, axis.Y(series.y[i] - half), axis.Y(series.y[i] + half),
          x - 4);
    }
    const std::string at = fmt::format("{:.6g}", series.x[i]);
    svg += Mark(series.number, x, y,
                half > 0 ? fmt::format("{} {}: {:.2f} ± {:.2f}", series.name, at, series.y[i], half)
                         : fmt::format("{} {}: {:.4g}", series.name, at, series.y[i]));
  }
  if (series.line && series.x.size() > 1) {
    svg = fmt::format("<path class=\"l{}\"{} d=\"{}\"/>", ColourOf(series.number),
                      DashOf(series.number), path) +
          svg;
  }
  return "<g>" + svg + "</g>\n";
}

}  // namespace

std::vector<double> RoundTicks(double low, double high, int count) {
  if (!(high > low)) {
    const double about = std::max(1e-3, std::abs(low) * 0.02);
    low -= about;
    high += about;
  }
  if (!std::isfinite(low) || !std::isfinite(high) || !std::isfinite(high - low)) return {};
  const double rough = (high - low) / std::max(1, count);
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double nice : {1.0, 2.0, 5.0}) {
    if (nice * power >= rough) {
      step = nice * power;
      break;
    }
  }
  std::vector<double> ticks;
  const double first = std::floor(low / step + 1e-9), last = std::ceil(high / step - 1e-9);
  if (!(last - first <= kMostTicks) || std::abs(first) > 1e15) return ticks;  // beyond doubles
  for (int i = 0; i <= static_cast<int>(last - first); ++i) ticks.push_back((first + i) * step);
  return ticks;
}

std::string LineChart(const ChartOptions& options, const std::vector<Series>& series) {
  double x_low = HUGE_VAL, x_high = -HUGE_VAL, y_low = HUGE_VAL, y_high = -HUGE_VAL;
  for (const Series& one : series) {
    for (std::size_t i = 0; i < one.x.size(); ++i) {
      if (!std::isfinite(one.x[i]) || !std::isfinite(one.y[i])) return "";
      const double half = one.half.empty() ? 0 : one.half[i];
      x_low = std::min(x_low, one.x[i]);
      x_high = std::max(x_high, one.x[i]);
      y_low = std::min(y_low, one.y[i] - half);
      y_high = std::max(y_high, one.y[i] + half);
    }
  }
  for (const double x : options.x_ticks) {
    x_low = std::min(x_low, x);
    x_high = std::max(x_high, x);
  }
  if (options.diagonal) {
    x_low = y_low = 0;
    x_high = y_high = 1;
  }
  if (!(x_low <= x_high)) return "";
  const std::vector<double> y_ticks = RoundTicks(y_low, y_high, 5);
  const std::vector<double> x_ticks =
      options.x_ticks.empty() ? RoundTicks(x_low, x_high, 6) : options.x_ticks;
  if (x_ticks.empty() || y_ticks.empty()) return "";
  if (options.x_ticks.empty()) {
    x_low = x_ticks.front();
    x_high = x_ticks.back();
  }
  const Axis2 axis(options, x_low, x_high, y_ticks.front(), y_ticks.back());
  std::string names;
  for (const Series& one : series) names += (names.empty() ? "" : ", ") + one.name;
  const double height = options.height + kLegendLine * static_cast<double>(series.size());
  std::string svg = Open(options, height, names) + Frame(options, axis, x_ticks, y_ticks);
  if (options.diagonal) {
    svg += fmt::format("<path class=\"grid\" d=\"M{:.1f} {:.1f}L{:.1f} {:.1f}\"/>\n", axis.X(0),
                       axis.Y(0), axis.X(1), axis.Y(1));
  }
  for (const Series& one : series) svg += Draw(one, axis);
  return svg + Legend(series, options.height + 10) + "</svg></figure>\n";
}

std::string BarChart(const std::string& title, const std::string& unit,
                     const std::vector<Bar>& bars) {
  if (bars.empty()) return "";
  ChartOptions options;
  options.title = title;
  double low = 0, high = 0;
  for (const Bar& bar : bars) {
    low = std::min(low, bar.value);
    high = std::max(high, bar.value);
  }
  const auto ticks = RoundTicks(low, high, 5);
  if (ticks.empty()) return "";
  constexpr double kNames = 190;
  const double span = ticks.back() - ticks.front(), room = options.width - kNames - 60;
  const auto at = [&](double value) { return kNames + (value - ticks.front()) / span * room; };
  const double bottom = kTop + kBarRow * static_cast<double>(bars.size());
  std::string svg = Open(options, bottom + kBottom, unit);
  for (const double tick : ticks) {
    svg += fmt::format(
        "<line class=\"grid\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1:.0f}\" y2=\"{2:.1f}\"/><text "
        "class=\"across\" x=\"{0:.1f}\" y=\"{3:.1f}\">{4:+.6g}</text>\n",
        at(tick), kTop, bottom, bottom + 16, tick);
  }
  for (std::size_t i = 0; i < bars.size(); ++i) {
    const Bar& bar = bars[i];
    const double y = kTop + kBarRow * static_cast<double>(i);
    const double from = at(std::min(0.0, bar.value)), to = at(std::max(0.0, bar.value));
    svg += fmt::format(
        "<g><title>{0}</title><text class=\"down\" x=\"{1:.0f}\" y=\"{2:.1f}\">{3}</text><rect "
        "class=\"{4}\" x=\"{5:.1f}\" y=\"{6:.1f}\" width=\"{7:.1f}\" height=\"14\"/><text "
        "x=\"{8:.1f}\" y=\"{2:.1f}\">{9:+.1f}</text></g>\n",
        EscapeHtml(bar.name + ": " + bar.note), kNames - 8, y + 14,
        EscapeHtml(Shorten(bar.name, 26)), bar.value >= 0 ? "gain" : "loss", from, y + 3,
        std::max(1.0, to - from), to + 5, bar.value);
  }
  return svg +
         fmt::format("<text class=\"across label\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n",
                     kNames + room / 2, bottom + 38, EscapeHtml(unit)) +
         "</svg></figure>\n";
}

std::string ScatterChart(const ChartOptions& options, const std::vector<Dot>& dots,
                         const std::vector<std::string>& legend) {
  if (dots.empty()) return "";
  double x_low = HUGE_VAL, x_high = -HUGE_VAL, y_low = HUGE_VAL, y_high = -HUGE_VAL;
  for (const Dot& dot : dots) {
    x_low = std::min(x_low, dot.x);
    x_high = std::max(x_high, dot.x);
    y_low = std::min(y_low, dot.y);
    y_high = std::max(y_high, dot.y);
  }
  const auto x_ticks = RoundTicks(x_low, x_high, 6), y_ticks = RoundTicks(y_low, y_high, 5);
  if (x_ticks.empty() || y_ticks.empty()) return "";
  const Axis2 axis(options, x_ticks.front(), x_ticks.back(), y_ticks.front(), y_ticks.back());
  const double rows = std::ceil(static_cast<double>(legend.size()) / 4);
  std::string svg = Open(options, options.height + kLegendLine * rows, "a point an image") +
                    Frame(options, axis, x_ticks, y_ticks);
  for (const bool grey : {true, false}) {  // named classes above the others
    for (const Dot& dot : dots) {
      if ((dot.colour < 0) != grey) continue;
      svg += fmt::format("<circle class=\"{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\"/>\n",
                         dot.colour < 0 ? std::string("other") : fmt::format("c{}", dot.colour),
                         axis.X(dot.x), axis.Y(dot.y));
    }
  }
  for (std::size_t i = 0; i < legend.size(); ++i) {
    const double x = kLeft + 160.0 * static_cast<double>(i % 4);
    const double y = options.height + 10 + kLegendLine * static_cast<double>(i / 4);
    svg += fmt::format(
        "<circle class=\"c{}\" cx=\"{:.0f}\" cy=\"{:.1f}\" r=\"5\"/><text x=\"{:.0f}\" "
        "y=\"{:.1f}\">{}</text>\n",
        i, x, y - 4, x + 10, y, EscapeHtml(Shorten(legend[i], 20)));
  }
  return svg + "</svg></figure>\n";
}

}  // namespace clipsweep
