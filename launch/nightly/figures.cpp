#include "launch/nightly/figures.h"

#include <fmt/core.h>

#include <map>

#include "common/disk/sha256.h"
#include "common/files/provenance.h"
#include "launch/experiment/hold_out.h"
#include "launch/experiment/results.h"

namespace clipsweep {
namespace {

void AddCounts(const std::string& name, const Json& counts, std::vector<Figure>& figures) {
  for (const char* top : {"top1", "top5"}) {
    figures.push_back(
        {fmt::format("{} {}", name, top), "count", "images", counts.at(top).get<double>(), 0});
  }
}

}  // namespace

std::string ConfigHash(const Json& results) {
  std::string text = results.at("config").dump() + results.at("tuned_on").dump();
  for (const Json& done : results.at("evaluations")) text += done.at("templates").dump();
  return Sha256Hex(text);
}

std::string InputsHash(const Json& results) {
  std::string text;
  for (const auto& [file, about] : results.at("files").items()) {
    if (IsStored(about)) {
      text += fmt::format("{} {}\n", file, about.at("sha256").get<std::string>());
      continue;
    }
    for (const char* name :
         {"model_sha256", "list_sha256", kImagesSha256, "classnames_sha256", "templates_sha256",
          "preprocess", "precision", "dtype", "batch", kHeldOutOf}) {
      if (about.at("made_from").contains(name)) {
        text += fmt::format("{} {} {}\n", file, name,
                            about.at("made_from").at(name).get<std::string>());
      }
    }
  }
  return Sha256Hex(text);
}

std::vector<Figure> FiguresOf(const Json& results, const Json& stages) {
  std::vector<Figure> figures;
  for (const Json& done : results.at("evaluations")) {
    if (done.at("shots") != 0) continue;
    AddCounts(fmt::format("{} {}", done.at("method").get<std::string>(),
                          done.at("templates").get<std::string>()),
              done.at("counts"), figures);
  }
  for (const Json& cell : results.at("cells")) {
    const std::string of = fmt::format("{}-shot seed {}", cell.at("shots").get<std::int64_t>(),
                                       cell.at("subset_seed").get<std::int64_t>());
    AddCounts("Tip-Adapter " + of, cell.at("tip_adapter"), figures);
    AddCounts("Tip-Adapter-F " + of, cell.at("tip_adapter_f"), figures);
  }
  for (const Json& fit : results.contains("fits") ? results.at("fits") : Json::array()) {
    AddCounts(fmt::format("{} {}-shot seed {} chosen on {}", fit.at("title").get<std::string>(),
                          fit.at("shots").get<std::int64_t>(),
                          fit.at("subset_seed").get<std::int64_t>(),
                          fit.at("chosen_on").get<std::string>()),
              fit.at("counts"), figures);
  }
  for (const Json& row : results.at("rows")) {
    const auto shots = row.at("shots").get<std::int64_t>();
    figures.push_back({fmt::format("{} {} top1", row.at("method").get<std::string>(),
                                   shots > 0 ? fmt::format("{}-shot", shots)
                                             : row.at("templates").get<std::string>()) +
                           " mean",
                       "accuracy", "%", 100 * row.at("top1_mean").get<double>(), 0});
  }
  struct Sum {
    double seconds = 0, items = 0;
    std::string unit;
    bool whole = true;  // nothing of it was on disk already
  };
  std::map<std::string, Sum> sums;
  Sum all;
  for (const auto& [name, stage] : stages.items()) {
    std::string group = name;
    for (const char* kind : {"text", "finetune", "evaluate"}) {
      if (name.starts_with(kind)) group = kind;
    }
    if (name.starts_with("fit ")) group = name.substr(0, name.find(' ', 4));  // its method
    for (Sum* sum : {&sums[group], &all}) {
      sum->whole =
          sum->whole && !stage.at("reused").get<bool>() && !stage.at("resumed").get<bool>();
      sum->seconds += stage.at("seconds").get<double>();
      sum->items += stage.at("items").get<double>();
      sum->unit = stage.at("unit").get<std::string>();
    }
  }
  for (const auto& [name, sum] : sums) {
    if (!sum.whole) continue;
    figures.push_back({name + " seconds", "seconds", "s", sum.seconds, 0});
    if (sum.items > 0 && sum.seconds > 0) {
      figures.push_back({name + " throughput", "throughput", sum.unit + "/s",
                         sum.items / sum.seconds, sum.seconds});
    }
  }
  if (all.whole) figures.push_back({"all stages seconds", "seconds", "s", all.seconds, 0});
  return figures;
}

}  // namespace clipsweep
