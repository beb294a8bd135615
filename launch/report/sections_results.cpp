#include <fmt/core.h>

#include <algorithm>
#include <map>

#include "launch/pages/charts.h"
#include "launch/pages/markup.h"
#include "launch/pages/sweep_report.h"
#include "launch/report/published.h"
#include "launch/report/sections.h"

namespace clipsweep {
namespace {

constexpr std::size_t kMapCells = 1000;  // of one heat map: six of them are about a megabyte

// – where there is nothing to measure.
std::string PercentOf(const Json& fraction) {
  return fraction.is_null() ? "–" : fmt::format("{:.2f}", 100 * fraction.get<double>());
}

std::string Text(const Json& value) { return EscapeHtml(value.get<std::string>()); }

// "87.31 ± 0.43"; "87.31 ± –" where there is one value only.
std::string WithInterval(const Json& row, const std::string& what) {
  const double mean = 100 * row.at(what + "_mean").get<double>();
  const Json& half = row.at(what + "_half_width_95");
  if (half.is_null()) return fmt::format("{:.2f} ± –", mean);
  return fmt::format("{:.2f} ± {:.2f}", mean, 100 * half.get<double>());
}

// Few-shot methods by shots, each a series; zero-shot a level line.
std::vector<Series> BySeries(const Json& results, const std::string& what) {
  std::vector<Series> series;
  double level = -1, most = 1, fewest = 1e9;
  const std::string templates = results.at("config").at("templates").get<std::string>();
  for (const Json& row : results.at("rows")) {
    const std::string method = row.at("method").get<std::string>();
    const double mean = 100 * row.at(what + "_mean").get<double>();
    const auto shots = row.at("shots").get<double>();
    if (shots == 0) {
      if (row.at("templates") == templates) level = mean;
      continue;
    }
    auto one = std::find_if(series.begin(), series.end(),
                            [&](const Series& s) { return s.name == method; });
    if (one == series.end()) {
      series.push_back({method, {}, {}, {}, true, static_cast<int>(series.size() + 1)});
      one = series.end() - 1;
    }
    one->x.push_back(shots);
    one->y.push_back(mean);
    const Json& half = row.at(what + "_half_width_95");
    one->half.push_back(half.is_null() ? 0 : 100 * half.get<double>());  // 0: no error bar
    most = std::max(most, shots);
    fewest = std::min(fewest, shots);
  }
  if (level >= 0 && !series.empty()) {
    series.insert(series.begin(), {"zero-shot", {fewest, most}, {level, level}, {}, true, 0});
  }
  return series;
}

std::string ShotsChart(const Json& results, const std::string& what, const std::string& name) {
  ChartOptions options;
  options.title = name + " accuracy against shots";
  options.x_label = "shots (training images a class)";
  options.y_label = name + " accuracy on test, %";
  options.log_x = true;
  options.height = 320;
  options.x_ticks = results.at("config").at("shots").get<std::vector<double>>();
  std::sort(options.x_ticks.begin(), options.x_ticks.end());
  return LineChart(options, BySeries(results, what));
}

}  // namespace

std::string SummarySection(const ReportData& data) {
  const Json& results = data.results;
  const std::string title = results.at("title").get<std::string>();
  std::string page =
      fmt::format("<h1>{}</h1>\n", title.empty() ? "Few-shot report" : EscapeHtml(title));
  const std::string tuned = results.at("tuned_on").get<std::string>();
  page += fmt::format(
      "<p>{} classes, {} test images. Alpha, beta and the epoch were chosen on "
      "<strong>{}</strong> images.{}</p>\n",
      results.at("classes").get<std::int64_t>(),
      results.at("test").at("samples").get<std::int64_t>(),
      tuned == "val" ? "validation" : EscapeHtml(tuned), TunedMark(results));
  const Json* best = nullptr;
  for (const Json& row : results.at("rows")) {
    if (best == nullptr || row.at("top1_mean") > best->at("top1_mean")) best = &row;
  }
  if (best != nullptr) {
    const auto shots = best->at("shots").get<std::int64_t>();
    page +=
        fmt::format("<p>Best: {}{}, top-1 <strong>{} %</strong>, top-5 {} %.</p>\n",
                    Text(best->at("method")), shots > 0 ? fmt::format(" at {} shots", shots) : "",
                    WithInterval(*best, "top1"), WithInterval(*best, "top5"));
  }
  std::string skipped;
  for (const auto& [file, count] : results.at("skipped_images").items()) {
    skipped += fmt::format("{}{} of {}", skipped.empty() ? "" : ", ", count.get<std::int64_t>(),
                           EscapeHtml(file));
  }
  if (!skipped.empty()) {
    page += fmt::format("<p>Not counted, unreadable images: {}.</p>\n", skipped);
  }
  for (const OddityKind& kind : kOddityKinds) {
    if (!results.contains("inputs") || !results["inputs"].contains(kind.name)) continue;
    for (const Json& sentence : results["inputs"][kind.name]) {
      page += fmt::format("<p><span class=\"mark\">{}</span> {}.</p>\n", kind.words,
                          EscapeHtml(sentence.get<std::string>()));
    }
  }
  if (!data.absent.empty()) {
    std::string names;
    for (const std::string& name : data.absent)
      names += (names.empty() ? "" : ", ") + EscapeHtml(name);
    page += fmt::format("<p class=\"quiet\">No longer there, so not shown: {}.</p>\n", names);
  }
  return page;
}

std::string TableSection(const ReportData& data) {
  const Json& results = data.results;
  const bool imagenet = IsImageNet(results);
  std::string table =
      "<div class=\"wide\"><table><thead><tr><th>method</th><th>templates</th><th "
      "class=\"n\">shots</th><th class=\"n\">top-1, %</th><th class=\"n\">top-5, %</th><th "
      "class=\"n\">subsets</th>" +
      std::string(imagenet ? "<th>published top-1, %</th>" : "") + "</tr></thead><tbody>\n";
  for (const Json& row : results.at("rows")) {
    const auto shots = row.at("shots").get<std::int64_t>();
    table += fmt::format(
        "<tr><td>{}{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td "
        "class=\"n\">{}</td><td class=\"n\">{}</td>",
        Text(row.at("method")), shots > 0 ? TunedMark(results) : "", Text(row.at("templates")),
        shots, WithInterval(row, "top1"), WithInterval(row, "top5"),
        row.at("top1_accuracy").size());
    if (imagenet) {
      std::string published;
      for (const Published& figure : PublishedFor(row.at("method").get<std::string>(), shots)) {
        published += fmt::format("{}{:.2f} <span class=\"quiet\">({})</span>",
                                 published.empty() ? "" : "<br>", figure.top1, figure.source);
      }
      table += "<td>" + published + "</td>";
    }
    table += "</tr>\n";
  }
  table +=
      "</tbody></table></div>\n<p class=\"quiet\">Mean ± half-width of the 95 % interval "
      "(Student's t) over subsets of training images drawn with different seeds; – where one "
      "value cannot tell.";
  if (imagenet) {
    table +=
        " Published figures are of CLIP RN50; alpha, beta and epoch were chosen on test there.";
  }
  return Section("table", "Results", table + "</p>\n");
}

std::string ShotsSection(const ReportData& data) {
  return Section(
      "shots", "Accuracy against shots",
      ShotsChart(data.results, "top1", "Top-1") + ShotsChart(data.results, "top5", "Top-5"));
}

std::string PromptsSection(const ReportData& data) {
  std::string rows;
  for (const Json& done : data.results.at("evaluations")) {
    if (done.at("method") != "zero-shot") continue;
    const Json& counts = done.at("counts");
    rows += fmt::format(
        "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td "
        "class=\"n\">{}</td></tr>\n",
        Text(done.at("templates")), PercentOf(counts.at("top1_accuracy")),
        PercentOf(counts.at("top5_accuracy")), PercentOf(done.at("ece")));
  }
  if (rows.empty()) return "";
  return Section(
      "prompts", "Zero-shot by prompt templates",
      "<div class=\"wide\"><table><thead><tr><th>templates</th><th class=\"n\">top-1, "
      "%</th><th class=\"n\">top-5, %</th><th class=\"n\">ECE, %</th></tr></thead><tbody>\n" +
          rows +
          "</tbody></table></div>\n<p class=\"quiet\">ECE: expected calibration error, 15 "
          "bins; 0 is perfect.</p>\n");
}

std::string GridSection(const ReportData& data) {
  if (!data.sweep) return "";
  std::string body = fmt::format(
      "<p>Top-1 accuracy of Tip-Adapter over alpha and beta on the {} images that choose them, "
      "mean "
      "over subsets.{} Red: the best cell. White line: cells that keep 95 % of its gain over "
      "zero-shot.</p>\n",
      data.sweep->result.tune_samples, TunedMark(data.results));
  for (std::size_t s = 0; s < data.sweep->shots.size(); ++s) {
    body += HeatMapFigure(*data.sweep, s, kMapCells);
  }
  return Section("grid", "Alpha and beta", body);
}

std::string TrainingSection(const ReportData& data) {
  if (data.curves.empty()) return "";
  std::vector<Series> loss, accuracy;
  for (const TrainingCurve& curve : data.curves) {
    const int colour = static_cast<int>(loss.size() % 6);
    const std::string name =
        fmt::format("{} shots, epoch {} kept", curve.shots, curve.selected_epoch);
    Series losses{name, {}, {}, {}, true, colour}, selected{name, {}, {}, {}, true, colour};
    for (std::size_t e = 0; e < curve.history.size(); ++e) {
      losses.x.push_back(static_cast<double>(e + 1));
      losses.y.push_back(curve.history[e].loss);
      if (curve.select_samples <= 0 || curve.history[e].select_top1 < 0) continue;
      selected.x.push_back(static_cast<double>(e + 1));
      selected.y.push_back(100.0 * static_cast<double>(curve.history[e].select_top1) /
                           static_cast<double>(curve.select_samples));
    }
    loss.push_back(std::move(losses));
    if (!selected.x.empty()) accuracy.push_back(std::move(selected));
  }
  ChartOptions options;
  options.title = "Tip-Adapter-F: loss by epoch";
  options.x_label = "epoch";
  options.y_label = "mean cross-entropy, nats";
  std::string body = LineChart(options, loss);
  options.title = "Tip-Adapter-F: accuracy that chooses the epoch";
  options.y_label = "top-1 on " + data.curves.front().tuned_on + " images, %";
  if (!accuracy.empty()) body += LineChart(options, accuracy);
  return Section(
      "training", "Training",
      body + fmt::format("<p class=\"quiet\">Of subset seed {}.</p>\n", data.curves.front().seed));
}

}  // namespace clipsweep
