#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>

#include "launch/nightly/summary.h"
#include "launch/pages/charts.h"
#include "launch/pages/markup.h"

namespace clipsweep {
namespace {

constexpr std::size_t kSeriesAChart = 6;  // there are six colours

constexpr const char* kStyle = R"(
main { max-width: 60rem; margin: 0 auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
.ok { color: var(--s3); } .regressed, .failed { color: var(--s2); font-weight: 600; } .missed { color: var(--quiet); }
)";

// Figures of one kind over the nights, by their place from 1.
std::vector<Series> SeriesOf(const std::string& kind,
                             const std::vector<std::vector<Figure>>& figures) {
  std::vector<Series> series;
  std::map<std::string, std::size_t> place;
  for (std::size_t night = 0; night < figures.size(); ++night) {
    for (const Figure& figure : figures[night]) {
      if (figure.kind != kind) continue;
      const auto [at, is_new] = place.emplace(figure.name, series.size());
      if (is_new) series.push_back({figure.name, {}, {}, {}, true, 0});
      series[at->second].x.push_back(static_cast<double>(night + 1));
      series[at->second].y.push_back(figure.value);
    }
  }
  std::sort(series.begin(), series.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return series;
}

// Some eight whole numbers.
std::vector<double> NightTicks(std::size_t nights) {
  std::vector<double> ticks;
  const std::size_t step = std::max<std::size_t>(1, (nights + 7) / 8);
  for (std::size_t night = 1; night <= nights; night += step)
    ticks.push_back(static_cast<double>(night));
  return ticks;
}

std::string Charts(const std::string& title, const std::string& unit, std::vector<Series> series,
                   std::size_t nights) {
  std::string body;
  for (std::size_t first = 0; first < series.size(); first += kSeriesAChart) {
    const auto begin = series.begin() + static_cast<std::ptrdiff_t>(first);
    std::vector<Series> some(
        begin, begin + static_cast<std::ptrdiff_t>(std::min(kSeriesAChart, series.size() - first)));
    for (std::size_t i = 0; i < some.size(); ++i) some[i].number = static_cast<int>(i);
    ChartOptions options;
    options.title = title;
    options.x_label = "night, oldest first (see the table)";
    options.y_label = unit;
    options.height = 280;
    options.x_ticks = NightTicks(nights);
    body += LineChart(options, some);
  }
  return body;
}

}  // namespace

std::string TrendPage(const std::vector<Night>& nights,
                      const std::vector<std::vector<Figure>>& figures) {
  std::string page = PageHead("clipsweep nights", std::string(kChartStyle) + kStyle) +
                     "<main>\n<h1>Nights</h1>\n<div class=\"wide\"><table><thead><tr><th>night</th>"
                     "<th>started (UTC)</th><th>status</th><th>commit</th><th>machine</th><th>what "
                     "happened</th></tr></thead><tbody>\n";
  for (std::size_t i = nights.size(); i-- > 0;) {
    const Night& night = nights[i];
    page += fmt::format(
        "<tr><td>{}</td><td>{}</td><td "
        "class=\"{}\">{}</td><td><code>{}</code></td><td>{}</td><td>{}"
        "</td></tr>\n",
        i + 1, EscapeHtml(night.started), EscapeHtml(night.status), EscapeHtml(night.status),
        EscapeHtml(night.commit), EscapeHtml(night.key.machine), EscapeHtml(night.message));
  }
  page += "</tbody></table></div>\n<h2>Answers</h2>\n" +
          Charts("Top-1 accuracy on test, mean over subsets", "%", SeriesOf("accuracy", figures),
                 nights.size()) +
          "<h2>Times</h2>\n" +
          Charts("Time of a stage", "seconds", SeriesOf("seconds", figures), nights.size()) +
          "<h2>Throughput</h2>\n";
  // Each unit is its own scale.
  std::set<std::string> units;
  for (const auto& night : figures) {
    for (const Figure& figure : night) {
      if (figure.kind == "throughput") units.insert(figure.unit);
    }
  }
  for (const std::string& unit : units) {
    std::vector<std::vector<Figure>> same(figures.size());
    for (std::size_t i = 0; i < figures.size(); ++i) {
      std::copy_if(figures[i].begin(), figures[i].end(), std::back_inserter(same[i]),
                   [&](const Figure& figure) { return figure.unit == unit; });
    }
    page += Charts("Throughput", unit, SeriesOf("throughput", same), nights.size());
  }
  return page + "</main>\n</body>\n</html>\n";
}

}  // namespace clipsweep
