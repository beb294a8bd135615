// Everything a report shows, read from a run folder.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/files/adapter_file.h"
#include "launch/options/command.h"
#include "launch/report/feature_map.h"
#include "launch/report/gallery.h"
#include "sweep/sweep_file.h"

namespace clipsweep {

struct TrainingCurve {
  std::int64_t shots = 0, seed = 0, selected_epoch = 0, select_samples = 0;
  std::string tuned_on;
  std::vector<EpochRecord> history;
};

struct ReportData {
  std::filesystem::path folder;
  Json results, run;                 // results.json, run.json (empty without one)
  std::vector<std::string> classes;  // as people say them
  std::optional<SweepData> sweep;
  std::vector<TrainingCurve> curves;  // of the first subset seed
  std::optional<Gallery> gallery;     // zero-shot against Tip-Adapter at the most shots
  std::optional<FeatureMap> map;
  std::vector<std::string> absent;  // files of the run that are not there any more
};

// `images`: the test images, when they are elsewhere now; empty: where the run found them. Throws
// InputError naming a file that is damaged or not the one results.json was made from.
ReportData ReadReportData(const std::filesystem::path& folder, const std::filesystem::path& images);

// The evaluation of `method` with most shots, of the few-shot methods' templates; nullptr for none.
const Json* LastEvaluation(const Json& results, const std::string& method);

}  // namespace clipsweep
