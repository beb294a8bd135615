#include "launch/experiment/leak.h"

#include <map>
#include <tuple>

#include "common/data/statistics.h"
#include "finetune/methods/all_methods.h"

namespace clipsweep {

std::vector<LeakRow> LeakOf(const Json& results) {
  std::vector<LeakRow> rows;
  if (!results.contains("fits")) return rows;
  std::map<std::tuple<std::string, std::int64_t, std::string>, std::vector<double>> accuracies;
  for (const Json& fit : results.at("fits")) {
    accuracies[{fit.at("title").get<std::string>(), fit.at("shots").get<std::int64_t>(),
                fit.at("chosen_on").get<std::string>()}]
        .push_back(fit.at("counts").at("top1_accuracy").get<double>());
  }
  for (const auto& method : AllMethods()) {
    const std::string title = method->Info().title;
    for (const Json& shots : results.at("config").at("shots")) {
      const auto count = shots.get<std::int64_t>();
      const auto on_val = accuracies.find({title, count, "val"});
      const auto on_test = accuracies.find({title, count, "test"});
      if (on_val == accuracies.end() || on_test == accuracies.end()) continue;
      rows.push_back(
          {title, count, Summarize(on_val->second).mean, Summarize(on_test->second).mean});
    }
  }
  return rows;
}

}  // namespace clipsweep
