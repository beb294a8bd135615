#include <fmt/core.h>

#include "launch/pages/markup.h"
#include "launch/records/json_file.h"
#include "launch/report/sections.h"

namespace clipsweep {
namespace {

std::string Rate(double items, double seconds, const std::string& unit) {
  if (items <= 0 || seconds <= 0) return "";
  const double rate = items / seconds;
  return fmt::format("{} {}/s",
                     rate < 100 ? fmt::format("{:.3g}", rate) : fmt::format("{:.0f}", rate),
                     EscapeHtml(unit));
}

// Stages of one kind ("finetune", "evaluate", the fits of a method) are one line when there are
// many.
std::string GroupOf(const std::string& stage) {
  if (stage.starts_with("fit ")) {
    return fmt::format("{} (all)", stage.substr(0, stage.find(' ', 4)));
  }
  for (const char* kind : {"finetune", "evaluate"}) {
    if (stage.starts_with(kind)) return std::string(kind) + " (all)";
  }
  return stage;
}

struct StageRow {
  std::string name, unit, ended, host, device, note;
  double seconds = 0, items = 0;
  struct Rank {
    double seconds = 0, cpu_seconds = 0, items = 0;
  };
  std::vector<Rank> ranks;
};

std::vector<StageRow> Lines(const Json& run) {
  std::vector<StageRow> lines;
  for (const auto& [name, stage] : run.at("stages").items()) {
    const std::string group = GroupOf(name);
    if (lines.empty() || lines.back().name != group)
      lines.push_back({group, {}, {}, {}, {}, {}, 0, 0, {}});
    StageRow& line = lines.back();
    line.unit = stage.at("unit").get<std::string>();
    if (stage.at("resumed").get<bool>()) line.note = "its last part, after an interruption";
    if (stage.at("reused").get<bool>()) {
      line.note = "kept; its time is not known";
      continue;
    }
    line.ended = stage.at("ended").get<std::string>();
    line.host = stage.at("host").get<std::string>();
    line.device = stage.at("device").get<std::string>();
    line.seconds += stage.at("seconds").get<double>();
    line.items += stage.at("items").get<double>();
    const Json& ranks = stage.at("ranks");
    if (line.ranks.size() < ranks.size()) line.ranks.resize(ranks.size());
    for (std::size_t r = 0; r < ranks.size(); ++r) {
      line.ranks[r].seconds += ranks[r].at("seconds").get<double>();
      line.ranks[r].cpu_seconds += ranks[r].at("cpu_seconds").get<double>();
      line.ranks[r].items += ranks[r].at("items").get<double>();
    }
  }
  return lines;
}

}  // namespace

std::string TimeSection(const ReportData& data) {
  if (data.run.empty()) return "";
  std::string stages, ranks;
  for (const StageRow& line :
       ReadingJson(data.folder / "run.json", [&] { return Lines(data.run); })) {
    stages += fmt::format(
        "<tr><td>{}</td><td class=\"n\">{:.2f}</td><td class=\"n\">{}</td><td "
        "class=\"n\">{}</td><td "
        "class=\"n\">{}</td><td>{}</td><td>{}</td><td class=\"n\">{}</td></tr>\n",
        EscapeHtml(line.name + (line.note.empty() ? "" : " (" + line.note + ")")), line.seconds,
        line.items > 0 ? fmt::format("{:.0f} {}", line.items, EscapeHtml(line.unit)) : "",
        Rate(line.items, line.seconds, line.unit), line.ranks.size(), EscapeHtml(line.device),
        EscapeHtml(line.host), EscapeHtml(line.ended));
    for (std::size_t r = 0; r < line.ranks.size(); ++r) {
      const StageRow::Rank& rank = line.ranks[r];
      ranks += fmt::format(
          "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{:.2f}</td><td "
          "class=\"n\">{:.2f}</td><td class=\"n\">{:.0f}</td><td class=\"n\">{}</td></tr>\n",
          EscapeHtml(line.name), r, rank.seconds, rank.cpu_seconds, rank.items,
          Rate(rank.items, rank.seconds, line.unit));
    }
  }
  return Section(
      "time", "Time and throughput",
      "<div class=\"wide\"><table><thead><tr><th>stage</th><th class=\"n\">seconds</th><th "
      "class=\"n\">work</th><th class=\"n\">throughput</th><th "
      "class=\"n\">ranks</th><th>device</th><th>host of rank 0</th><th class=\"n\">ended "
      "(UTC)</th></tr></thead><tbody>\n" +
          stages +
          "</tbody></table></div>\n<details><summary>Every rank</summary><div "
          "class=\"wide\"><table><thead><tr><th>stage</th><th class=\"n\">rank</th><th "
          "class=\"n\">seconds</th><th class=\"n\">processor seconds</th><th "
          "class=\"n\">work</th><th class=\"n\">throughput</th></tr></thead><tbody>\n" +
          ranks +
          "</tbody></table></div></details>\n<p class=\"quiet\">Of the run that made the files; "
          "stages "
          "that were reused since keep their times. Ranks of a fine-tuning go through every sample "
          "together, each with the keys of some classes.</p>\n");
}

std::string ProvenanceSection(const ReportData& data) {
  const Json& results = data.results;
  std::string body =
      fmt::format("<p>clipsweep {}; alpha, beta and epoch chosen on {}{}.</p>\n",
                  EscapeHtml(results.at("program_version").get<std::string>()),
                  EscapeHtml(results.at("tuned_on").get<std::string>()), TunedMark(results));
  body += "<h3>Configuration</h3>\n<div class=\"wide\"><table><tbody>\n";
  for (const auto& [name, value] : results.at("config").items()) {
    body += fmt::format("<tr><td>{}</td><td><code>{}</code></td></tr>\n", EscapeHtml(name),
                        EscapeHtml(value.is_string() ? value.get<std::string>() : value.dump()));
  }
  body +=
      "</tbody></table></div>\n<details><summary>Files</summary><div "
      "class=\"wide\"><table><thead><tr><th>file</th><th>SHA-256</th><th>made "
      "from</th></tr></thead><tbody>\n";
  for (const auto& [name, file] : results.at("files").items()) {
    std::string made_from;
    for (const auto& [what, value] : file.at("made_from").items()) {
      const std::string text = value.get<std::string>();
      const bool hash = what.ends_with("_sha256") && text.size() == 64;
      made_from += fmt::format("{}{} {}", made_from.empty() ? "" : "; ", EscapeHtml(what),
                               EscapeHtml(hash ? text.substr(0, 12) : text));
    }
    body += fmt::format("<tr><td>{}</td><td><code>{}</code></td><td class=\"quiet\">{}</td></tr>\n",
                        EscapeHtml(name),
                        EscapeHtml(file.at("sha256").get<std::string>().substr(0, 12)), made_from);
  }
  return Section("provenance", "Provenance", body + "</tbody></table></div></details>\n");
}

}  // namespace clipsweep
