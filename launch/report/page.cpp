#include "launch/report/page.h"

#include <fmt/core.h>

#include <utility>

#include "common/files/provenance.h"
#include "launch/pages/markup.h"
#include "launch/records/json_file.h"
#include "launch/report/published.h"
#include "launch/report/sections.h"

namespace clipsweep {
namespace {

constexpr const char* kStyle = R"(
main { max-width: 60rem; margin: 0 auto; }
h1 { font-size: 1.7rem; margin: 0 0 .3rem; } h2 { font-size: 1.25rem; margin: 2.2rem 0 .4rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; }
nav { font-size: .9rem; margin: .8rem 0; } nav a { margin-right: .9rem; color: var(--link); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; }
.columns { display: flex; flex-wrap: wrap; gap: 0 2.5rem; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
td.n, th.n { text-align: right; white-space: nowrap; }
.mark { background: #b3261e; color: #fff; padding: .1rem .45rem; border-radius: .3rem; font-size: .85rem; }
.quiet { color: var(--quiet); font-size: .9rem; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: .9rem; }
.item { border: 1px solid var(--line); border-radius: .4rem; padding: .6rem; overflow: hidden; }
.item img { width: 96px; height: 96px; display: block; margin-bottom: .4rem; }
.item .none { width: 96px; height: 96px; display: grid; place-items: center; border: 1px dashed var(--line); font-size: .8rem; }
.item svg { width: 100%; height: auto; }
code { overflow-wrap: anywhere; }
@media (max-width: 40rem) { body { margin: .8rem; } th, td { padding: .2rem .4rem; } }
@media print { nav { display: none; } section { break-inside: avoid-page; } details > * { display: block; } }
)";

// Links to the sections that there are.
std::string Navigation(const std::string& body) {
  constexpr std::pair<const char*, const char*> kLinks[] = {{"table", "Results"},
                                                            {"shots", "Shots"},
                                                            {"methods", "Methods"},
                                                            {"prompts", "Prompts"},
                                                            {"grid", "Alpha and beta"},
                                                            {"training", "Training"},
                                                            {"classes", "Classes"},
                                                            {"confusion", "Confusions"},
                                                            {"calibration", "Calibration"},
                                                            {"gallery", "Images"},
                                                            {"map", "Map"},
                                                            {"time", "Time"},
                                                            {"provenance", "Provenance"}};
  std::string nav = "<nav>";
  for (const auto& [id, text] : kLinks) {
    if (body.find(fmt::format("<section id=\"{}\">", id)) != std::string::npos) {
      nav += fmt::format("<a href=\"#{}\">{}</a> ", id, text);
    }
  }
  return nav + "</nav>\n";
}

}  // namespace

std::string Section(const std::string& id, const std::string& title, const std::string& body) {
  if (body.empty()) return "";
  return fmt::format("<section id=\"{}\">\n<h2>{}</h2>\n{}</section>\n", id, EscapeHtml(title),
                     body);
}

std::string TunedMark(const Json& results) {
  return results.at("tuned_on") == "test" ? " <span class=\"mark\">tuned on test</span>" : "";
}

bool IsImageNet(const Json& results) {
  if (results.at("classes") != 1000 || results.at("class_folders").empty()) return false;
  return results.at("class_folders").at(0) == "n01440764";
}

std::string ReportPage(const ReportData& data) {
  return ReadingJson(data.folder / "results.json", [&] {
    const std::string title = data.results.at("title").get<std::string>();
    std::string page = PageHead(title.empty() ? "clipsweep report" : title + " - clipsweep report",
                                std::string(kChartStyle) + kStyle);
    page += "<main>\n" + SummarySection(data);
    std::string body;
    for (const auto section :
         {TableSection, ShotsSection, MethodsSection, PromptsSection, GridSection, TrainingSection,
          ClassesSection, ConfusionSection, CalibrationSection, GallerySection, MapSection,
          TimeSection, ProvenanceSection}) {
      body += section(data);
    }
    return page + Navigation(body) + body + "</main>\n</body>\n</html>\n";
  });
}

std::string ReportCsv(const ReportData& data) {
  return ReadingJson(data.folder / "results.json", [&] {
    std::string csv =
        "method,templates,shots,subsets,top1_mean,top1_half_width_95,top5_mean,top5_half_width_95,"
        "tuned_on,published\n";
    const std::string tuned_on = data.results.at("tuned_on").get<std::string>();
    for (const Json& row : data.results.at("rows")) {
      const std::string method = row.at("method").get<std::string>();
      const auto shots = row.at("shots").get<std::int64_t>();
      std::string published;
      if (IsImageNet(data.results)) {
        for (const Published& figure : PublishedFor(method, shots)) {
          published += fmt::format("{}{:.2f} ({})", published.empty() ? "" : "; ", figure.top1,
                                   figure.source);
        }
      }
      const auto percent = [&](const char* name) {
        const Json& value = row.at(name);
        return value.is_null() ? "" : fmt::format("{:.4f}", 100 * value.get<double>());
      };
      csv += fmt::format("{},{},{},{},{},{},{},{},{},{}\n", CsvCell(method),
                         CsvCell(row.at("templates").get<std::string>()), shots,
                         row.at("top1_accuracy").size(), percent("top1_mean"),
                         percent("top1_half_width_95"), percent("top5_mean"),
                         percent("top5_half_width_95"),
                         CsvCell(method == "zero-shot" ? "none" : tuned_on), CsvCell(published));
    }
    return csv;
  });
}

}  // namespace clipsweep
