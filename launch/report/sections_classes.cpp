#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "launch/experiment/results.h"
#include "launch/pages/charts.h"
#include "launch/pages/markup.h"
#include "launch/report/sections.h"

namespace clipsweep {
namespace {

constexpr std::size_t kMostHelped = 10, kMostConfusions = 15, kMapColours = 10;
constexpr std::int64_t kFewestInBin = 10;  // fewer say little about a share

// Name of an evaluation: "Tip-Adapter, 16-shot".
std::string NameOf(const Json& done) {
  const auto shots = done.at("shots").get<std::int64_t>();
  return done.at("method").get<std::string>() + (shots > 0 ? fmt::format(", {}-shot", shots) : "");
}

// Accuracy of each class, percent; -1 for a class without test images.
std::vector<double> ByClass(const Json& results, const Json& done) {
  const auto right = done.at("class_top1").get<std::vector<double>>();
  const auto all = results.at("class_samples").get<std::vector<double>>();
  std::vector<double> accuracy(right.size(), -1);
  for (std::size_t c = 0; c < right.size() && c < all.size(); ++c) {
    if (all[c] > 0) accuracy[c] = 100 * right[c] / all[c];
  }
  return accuracy;
}

std::vector<double> Gains(const std::vector<double>& before, const std::vector<double>& after) {
  std::vector<double> gains(before.size(), 0);
  for (std::size_t c = 0; c < gains.size(); ++c) {
    if (before[c] >= 0 && after[c] >= 0) gains[c] = after[c] - before[c];
  }
  return gains;
}

// Classes by falling gain; equal ones in their order.
std::vector<std::size_t> ByGain(const std::vector<double>& gains) {
  std::vector<std::size_t> order(gains.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return gains[a] > gains[b]; });
  return order;
}

std::string GainChart(const ReportData& data, const Json& zero_shot, const Json& done) {
  const auto before = ByClass(data.results, zero_shot), after = ByClass(data.results, done);
  const auto gains = Gains(before, after);
  auto order = ByGain(gains);
  std::erase_if(order, [&](std::size_t c) { return before[c] < 0 || after[c] < 0; });
  std::vector<Bar> bars;
  const auto add = [&](std::size_t c) {
    bars.push_back(
        {data.classes.at(c), fmt::format("{:.1f} to {:.1f} %", before[c], after[c]), gains[c]});
  };
  const std::size_t each = std::min(kMostHelped, (order.size() + 1) / 2);
  for (std::size_t i = 0; i < each; ++i) add(order[i]);
  for (std::size_t i = std::max(each, order.size() - std::min(kMostHelped, order.size()));
       i < order.size(); ++i) {
    add(order[i]);
  }
  return BarChart("Most helped and hurt classes: " + NameOf(done),
                  "gain over zero-shot, percentage points", bars);
}

std::string ClassTable(const ReportData& data, const std::vector<const Json*>& columns) {
  std::string table =
      "<details><summary>Every class</summary><div "
      "class=\"wide\"><table><thead><tr><th>class</th><th "
      "class=\"n\">test images</th>";
  std::vector<std::vector<double>> values;
  for (const Json* done : columns) {
    table += "<th class=\"n\">" + EscapeHtml(NameOf(*done)) + ", %</th>";
    values.push_back(ByClass(data.results, *done));
  }
  table += "</tr></thead><tbody>\n";
  for (std::size_t c = 0; c < data.classes.size(); ++c) {
    table += fmt::format("<tr><td><bdi>{}</bdi></td><td class=\"n\">{}</td>",
                         EscapeHtml(data.classes[c]),
                         data.results.at("class_samples").at(c).get<std::int64_t>());
    for (const auto& column : values) {
      table += column.at(c) < 0 ? "<td class=\"n\">–</td>"
                                : fmt::format("<td class=\"n\">{:.1f}</td>", column[c]);
    }
    table += "</tr>\n";
  }
  return table + "</tbody></table></div></details>\n";
}

// Zero-shot, Tip-Adapter and Tip-Adapter-F at the most shots; those there are.
std::vector<const Json*> MainEvaluations(const Json& results) {
  std::vector<const Json*> found;
  for (const char* method : {"zero-shot", "Tip-Adapter", "Tip-Adapter-F"}) {
    if (const Json* done = LastEvaluation(results, method)) found.push_back(done);
  }
  return found;
}

std::string Guesses(const ReportData& data, const std::vector<std::pair<std::int32_t, float>>& top,
                    std::int32_t label) {
  std::string svg =
      fmt::format("<svg viewBox=\"0 0 220 {}\" role=\"img\" aria-label=\"Likeliest classes\">",
                  17 * top.size() + 2);
  for (std::size_t i = 0; i < top.size(); ++i) {
    const auto& [c, p] = top[i];
    const std::string name = data.classes.at(static_cast<std::size_t>(c));
    svg += fmt::format(
        "<g><title>{0}: {1:.1f} %</title><rect class=\"{2}\" x=\"0\" y=\"{3}\" width=\"{4:.1f}\" "
        "height=\"14\"/><text x=\"4\" y=\"{5}\">{0} {1:.0f} %</text></g>",
        EscapeHtml(name), 100 * p, c == label ? "right" : "wrong", 17 * i + 1,
        std::max(1.0, 218.0 * p), 17 * i + 12);
  }
  return svg + "</svg>";
}

std::string Items(const ReportData& data, const std::vector<GalleryItem>& items,
                  const std::string& after_name) {
  std::string body = "<div class=\"gallery\">\n";
  for (const GalleryItem& item : items) {
    const std::string label = EscapeHtml(data.classes.at(static_cast<std::size_t>(item.label)));
    body += "<div class=\"item\">" +
            (item.thumbnail.empty()
                 ? std::string("<div class=\"none\">no picture</div>")
                 : fmt::format("<img src=\"{}\" alt=\"{}\">", item.thumbnail, label)) +
            fmt::format(
                "<strong><bdi>{}</bdi></strong><br><code class=\"quiet\">{}</code>"
                "<h3>zero-shot</h3>{}<h3>{}</h3>{}</div>\n",
                label, EscapeHtml(item.path), Guesses(data, item.before, item.label),
                EscapeHtml(after_name), Guesses(data, item.after, item.label));
  }
  return body + "</div>\n";
}

}  // namespace

std::string ClassesSection(const ReportData& data) {
  const auto main = MainEvaluations(data.results);
  const Json* zero_shot = LastEvaluation(data.results, "zero-shot");
  if (zero_shot == nullptr || main.size() < 2) return "";
  std::string body;
  for (const Json* done : main) {
    if (done != zero_shot) body += GainChart(data, *zero_shot, *done);
  }
  const Json& samples = data.results.at("class_samples");
  if (const auto none = std::count(samples.begin(), samples.end(), 0); none > 0) {
    body += fmt::format("<p>{} of {} classes have no test image and no accuracy.</p>\n", none,
                        samples.size());
  }
  return Section("classes", "Classes", body + ClassTable(data, main));
}

std::string ConfusionSection(const ReportData& data) {
  const auto main = MainEvaluations(data.results);
  std::string body;
  for (const Json* done : main) {
    const Json& pairs = done->at("confusions");
    if (pairs.empty()) continue;
    body += fmt::format(
        "<div class=\"wide\"><h3>{}</h3><table><thead><tr><th>is</th><th>taken for</th><th "
        "class=\"n\">images</th></tr></thead><tbody>\n",
        EscapeHtml(NameOf(*done)));
    for (std::size_t i = 0; i < std::min(kMostConfusions, pairs.size()); ++i) {
      const auto name = [&](std::size_t at) {
        return EscapeHtml(data.classes.at(pairs.at(i).at(at).get<std::size_t>()));
      };
      body += fmt::format(
          "<tr><td><bdi>{}</bdi></td><td><bdi>{}</bdi></td><td class=\"n\">{}</td></tr>\n", name(0),
          name(1), pairs.at(i).at(2).get<std::int64_t>());
    }
    body += "</tbody></table></div>\n";
  }
  if (body.empty()) return "";
  return Section("confusion", "Most frequent confusions",
                 "<div class=\"columns\">\n" + body + "</div>\n");
}

std::string CalibrationSection(const ReportData& data) {
  std::vector<Series> series;
  std::string errors;
  for (const Json* done : MainEvaluations(data.results)) {
    const Json& ece = done->at("ece");
    Series one{
        NameOf(*done) +
            (ece.is_null() ? ": ECE –" : fmt::format(": ECE {:.2f} %", 100 * ece.get<double>())),
        {},
        {},
        {},
        true,
        static_cast<int>(series.size() % 6)};
    for (const Json& bin : done->at("calibration_bins")) {
      if (bin.at(0).get<std::int64_t>() < kFewestInBin) continue;
      one.x.push_back(bin.at(1).get<double>());
      one.y.push_back(bin.at(2).get<double>());
    }
    if (!one.x.empty()) series.push_back(std::move(one));
  }
  if (series.empty()) return "";
  ChartOptions options;
  options.title = "Reliability";
  options.x_label = "probability given to the first class, mean of a bin";
  options.y_label = "share that is right";
  options.diagonal = true;
  return Section(
      "calibration", "Calibration",
      LineChart(options, series) +
          "<p class=\"quiet\">Below the diagonal: more confident than right. ECE: expected "
          "calibration error over 15 equally wide bins; those of fewer than 10 images are not "
          "drawn.</p>\n");
}

std::string GallerySection(const ReportData& data) {
  if (!data.gallery) return "";
  const Gallery& gallery = *data.gallery;
  const std::string after = NameOf(*LastEvaluation(data.results, "Tip-Adapter"));
  std::string body;
  if (gallery.without_picture > 0) {
    body += fmt::format("<p>{} ({} here); ",
                        IsFromFeatures(data.results)
                            ? "Made from stored features, the run has no pictures at hand"
                            : "Test images are not where the run found them",
                        gallery.without_picture);
    body += "<code>report --images</code> says where they are now.</p>\n";
  }
  const auto part = [&](const std::string& what, std::int64_t all,
                        const std::vector<GalleryItem>& items) {
    body += fmt::format("<h3>{}: {} images{}</h3>\n", what, all,
                        items.size() < static_cast<std::size_t>(all)
                            ? fmt::format(", {} shown", items.size())
                            : "");
    if (!items.empty()) body += Items(data, items, after);
  };
  part("Zero-shot wrong, " + EscapeHtml(after) + " right", gallery.all_helped, gallery.helped);
  part("Zero-shot right, " + EscapeHtml(after) + " wrong", gallery.all_hurt, gallery.hurt);
  return Section("gallery", "Images on which they differ", body);
}

std::string MapSection(const ReportData& data) {
  if (!data.map) return "";
  // The classes that changed most get the colours; with few classes, all.
  std::vector<std::size_t> named(data.classes.size());
  std::iota(named.begin(), named.end(), std::size_t{0});
  const Json* zero_shot = LastEvaluation(data.results, "zero-shot");
  const Json* tip = LastEvaluation(data.results, "Tip-Adapter");
  if (named.size() > kMapColours && zero_shot != nullptr && tip != nullptr) {
    auto gains = Gains(ByClass(data.results, *zero_shot), ByClass(data.results, *tip));
    for (double& gain : gains) gain = std::abs(gain);
    named = ByGain(gains);
  }
  named.resize(std::min(named.size(), kMapColours));
  std::vector<std::string> legend;
  std::vector<int> colour(data.classes.size(), -1);
  for (std::size_t i = 0; i < named.size(); ++i) {
    colour[named[i]] = static_cast<int>(i);
    legend.push_back(data.classes[named[i]]);
  }
  std::vector<Dot> dots;
  for (const FeatureMap::Point& point : data.map->points) {
    dots.push_back({point.x, point.y, colour.at(static_cast<std::size_t>(point.label))});
  }
  ChartOptions options;
  options.title = "Test features, first two principal components";
  options.x_label = fmt::format("component 1, {:.1f} % of the variance", 100 * data.map->share_x);
  options.y_label = fmt::format("component 2, {:.1f} % of the variance", 100 * data.map->share_y);
  options.height = 460;
  return Section(
      "map", "Map of the features",
      ScatterChart(options, dots, legend) +
          fmt::format("<p class=\"quiet\">{} images; unit-length features, no unit.{}</p>\n",
                      dots.size(),
                      named.size() < data.classes.size()
                          ? " Coloured: the classes whose accuracy few shots changed most."
                          : ""));
}

}  // namespace clipsweep
