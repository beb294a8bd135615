#include "launch/nightly/summary.h"

#include <fmt/core.h>

#include "common/process/clock.h"
#include "common/process/log.h"

namespace clipsweep {
namespace {

// Inert in Markdown tables and lists.
std::string Markdown(const std::string& text) {
  std::string out;
  for (const char c : Printable(text)) {
    if (std::string_view("\\`*_[]<>|").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

std::string Label(const std::string& text) {
  std::string out;
  for (const char c : Printable(text)) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

}  // namespace

std::string SummaryMarkdown(const NightOutcome& outcome) {
  const Night& night = outcome.night;
  std::string text = fmt::format("# Night of {}: {}\n\n", night.started,
                                 night.status == "regressed"
                                     ? fmt::format("{} regression{}", outcome.regressions.size(),
                                                   outcome.regressions.size() == 1 ? "" : "s")
                                     : night.status);
  for (const Regression& regression : outcome.regressions) {
    text += fmt::format("- **{}** {}\n", regression.kind == "count" ? "answer" : "time",
                        Markdown(regression.text));
  }
  if (!night.message.empty() && outcome.regressions.empty()) text += Markdown(night.message) + "\n";
  text += fmt::format(
      "\n| | |\n|---|---|\n| commit | {} |\n| program | {} |\n| machine | {} |\n| device | {} |\n| "
      "ranks | {} |\n| ended | {} |\n",
      night.commit.empty() ? "not named" : Markdown(night.commit), Markdown(night.version),
      Markdown(night.key.machine), Markdown(night.key.device), night.key.ranks, night.ended);
  if (night.status != "failed") {
    text +=
        outcome.compared_counts_with > 0
            ? fmt::format("| answers compared with | night {} |\n", outcome.compared_counts_with)
            : std::string(
                  "| answers compared with | none: the first with these inputs, or accepted |\n");
    text += outcome.compared_times_with > 0
                ? fmt::format("| times compared with | median of {} nights |\n",
                              outcome.compared_times_with)
                : std::string("| times compared with | none yet |\n");
  }
  if (outcome.missed > 0) text += fmt::format("| nights missed before | {} |\n", outcome.missed);
  if (outcome.abandoned > 0)
    text += fmt::format("| nights that ended without a result | {} |\n", outcome.abandoned);
  std::string rows;
  for (const Figure& figure : outcome.figures) {
    if (figure.kind != "accuracy" && figure.kind != "seconds") continue;
    rows += fmt::format("| {} | {:.2f} {} |\n", Markdown(figure.name), figure.value, figure.unit);
  }
  if (!rows.empty()) text += "\n| figure | tonight |\n|---|---|\n" + rows;
  return text;
}

Json SummaryJson(const NightOutcome& outcome) {
  const Night& night = outcome.night;
  Json regressions = Json::array();
  for (const Regression& regression : outcome.regressions) {
    regressions.push_back({{"name", regression.name},
                           {"kind", regression.kind},
                           {"value", regression.value},
                           {"reference", regression.reference},
                           {"limit", regression.limit},
                           {"text", regression.text}});
  }
  Json figures = Json::object();
  for (const Figure& figure : outcome.figures) figures[figure.name] = figure.value;
  return {{"night", night.id},
          {"started", night.started},
          {"ended", night.ended},
          {"status", night.status},
          {"message", night.message},
          {"commit", night.commit},
          {"program_version", night.version},
          {"machine", night.key.machine},
          {"config_sha256", night.key.config_sha256},
          {"inputs_sha256", night.key.inputs_sha256},
          {"folder", night.folder},
          {"answers_right", night.answers_right},
          {"answers_compared_with", outcome.compared_counts_with},
          {"times_compared_with", outcome.compared_times_with},
          {"missed", outcome.missed},
          {"abandoned", outcome.abandoned},
          {"regressions", regressions},
          {"figures", figures}};
}

std::string PrometheusText(const NightOutcome& outcome) {
  std::string text =
      "# HELP clipsweep_figure A figure of the latest night: right answers, seconds, or units a "
      "second.\n"
      "# TYPE clipsweep_figure gauge\n";
  for (const Figure& figure : outcome.figures) {
    text += fmt::format("clipsweep_figure{{name=\"{}\",kind=\"{}\"}} {:.10g}\n", Label(figure.name),
                        figure.kind, figure.value);
  }
  text += fmt::format(
      "# HELP clipsweep_regressions Figures that regressed in the latest night.\n"
      "# TYPE clipsweep_regressions gauge\nclipsweep_regressions {}\n"
      "# HELP clipsweep_night_ok Whether the latest night ended without failure or regression.\n"
      "# TYPE clipsweep_night_ok gauge\nclipsweep_night_ok {}\n"
      "# HELP clipsweep_night_started_timestamp_seconds When the latest night started.\n"
      "# TYPE clipsweep_night_started_timestamp_seconds gauge\n"
      "clipsweep_night_started_timestamp_seconds {}\n",
      outcome.regressions.size(), outcome.night.status == "ok" ? 1 : 0,
      static_cast<std::int64_t>(ParseUtc(outcome.night.started)));
  return text;
}

}  // namespace clipsweep
