// What --methods and --leak add: what was chosen and how long a fit took, and what it is worth to
// choose on test.
#include <fmt/core.h>

#include <algorithm>

#include "finetune/methods/all_methods.h"
#include "launch/experiment/leak.h"
#include "launch/pages/markup.h"
#include "launch/report/sections.h"

namespace clipsweep {
namespace {

// Mean seconds of the run's fits of a method at a shot count that were not kept; "" for none.
std::string SecondsOf(const Json& run, const std::string& method, std::int64_t shots) {
  if (!run.contains("stages")) return "";
  const std::string start = fmt::format("fit {} {}-shot seed ", method, shots);
  double seconds = 0;
  int count = 0;
  for (const auto& [name, stage] : run.at("stages").items()) {
    if (!name.starts_with(start) || name.ends_with(" on test") || stage.at("reused").get<bool>()) {
      continue;
    }
    seconds += stage.at("seconds").get<double>();
    ++count;
  }
  return count == 0 ? "" : fmt::format("{:.2f}", seconds / count);
}

// "alpha 1.5, beta 5.5; epoch 7": what the images chose.
std::string Chosen(const Json& fit) {
  std::string text;
  for (const Json& name : fit.at("tuned")) {
    const Json& value = fit.at("settings").at(name.get<std::string>());
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name.get<std::string>(),
                        value.is_string() ? value.get<std::string>() : value.dump());
  }
  const auto epoch = fit.at("epoch").get<std::int64_t>();
  if (epoch > 0) text += fmt::format("{}epoch {}", text.empty() ? "" : "; ", epoch);
  return text;
}

std::string FitsTable(const ReportData& data) {
  const Json& config = data.results.at("config");
  if (!config.contains("methods")) return "";
  std::string rows;
  for (const Json& listed : config.at("methods")) {
    const std::string method = listed.get<std::string>();
    const Json* before = nullptr;
    for (const Json& fit : data.results.at("fits")) {  // the first seed of each shot count
      if (fit.at("method") != method || fit.at("chosen_on") != data.results.at("tuned_on") ||
          (before != nullptr && before->at("shots") == fit.at("shots"))) {
        continue;
      }
      before = &fit;
      const auto shots = fit.at("shots").get<std::int64_t>();
      rows += fmt::format(
          "<tr><td>{}</td><td class=\"n\">{}</td><td>{}</td><td class=\"n\">{}</td></tr>\n",
          EscapeHtml(fit.at("title").get<std::string>()), shots, EscapeHtml(Chosen(fit)),
          SecondsOf(data.run, method, shots));
    }
  }
  std::string page =
      "<div class=\"wide\"><table><thead><tr><th>method</th><th class=\"n\">shots</th>"
      "<th>chosen, first subset</th><th class=\"n\">seconds a fit</th></tr></thead><tbody>\n" +
      rows + "</tbody></table></div>\n<ul class=\"quiet\">\n";
  for (const auto& method : AllMethods()) {
    const MethodInfo info = method->Info();
    const Json& methods = config.at("methods");
    if (std::find(methods.begin(), methods.end(), info.name) == methods.end()) continue;
    page += fmt::format("<li>{}: {}. {}</li>\n", EscapeHtml(info.title), EscapeHtml(info.about),
                        EscapeHtml(info.paper));
  }
  return page + "</ul>\n";
}

std::string LeakTable(const Json& results) {
  const std::vector<LeakRow> leak = LeakOf(results);
  if (leak.empty()) return "";
  std::string rows;
  for (const LeakRow& row : leak) {
    rows += fmt::format(
        "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{:.2f}</td><td "
        "class=\"n\">{:.2f}</td><td class=\"n\">{:+.2f}</td></tr>\n",
        EscapeHtml(row.method), row.shots, 100 * row.on_val, 100 * row.on_test,
        100 * (row.on_test - row.on_val));
  }
  return "<h3>The leak</h3>\n<p>Settings and epoch chosen by validation images, and by the test "
         "images themselves, as several published figures are. Top-1 on test, %, mean over "
         "subsets.</p>\n<div class=\"wide\"><table><thead><tr><th>method</th><th "
         "class=\"n\">shots</th><th class=\"n\">chosen on val</th><th class=\"n\">chosen on "
         "test</th><th class=\"n\">difference</th></tr></thead><tbody>\n" +
         rows + "</tbody></table></div>\n";
}

}  // namespace

std::string MethodsSection(const ReportData& data) {
  return Section("methods", "Methods", FitsTable(data) + LeakTable(data.results));
}

}  // namespace clipsweep
