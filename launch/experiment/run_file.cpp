#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "common/disk/atomic_file.h"
#include "common/process/clock.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "launch/experiment/results.h"
#include "launch/records/json_file.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;

// Where images or features are, by the name that run.json has for it.
std::pair<const char*, fs::path> SourceOf(const ExperimentConfig& config) {
  if (config.has_features()) return {"features_from", config.features_from};
  return {"test_images", config.split.empty() ? config.test : config.images};
}

// When a file that is kept was written: its stage's end, where no earlier run.json says it.
std::string TimeOf(const fs::path& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? FormatUtc(info.st_mtime) : UtcNow();
}

}  // namespace

Json StageJson(const StageTime& stage) {
  Json ranks = Json::array();
  for (const StageTime::Rank& rank : stage.ranks) {
    ranks.push_back(
        {{"seconds", rank.seconds}, {"cpu_seconds", rank.cpu_seconds}, {"items", rank.items}});
  }
  return {{"seconds", stage.seconds()},
          {"items", stage.items()},
          {"unit", stage.unit},
          {"ranks", ranks}};
}

void UpdateRunFile(const ExperimentConfig& config, const std::string& device,
                   const ExperimentResult& result, bool finished) {
  const fs::path path = config.run / "run.json";
  Json run = Json::object();
  try {
    run = ReadRunFile(path);
  } catch (const Error& error) {
    LogWarning("{}; it is started over", error.what());
  }
  Json before = run.contains("stages") ? run["stages"] : Json::object();
  if (!before.is_object()) before = Json::object();
  Json stages =
      finished ? Json::object() : before;  // those of stages that are not reached yet, too
  for (std::size_t i = 0; i < result.stages.size(); ++i) {  // each made the file at its place
    const StageTime& stage = result.stages[i];
    // Written down before: by the run that made it, or by this one after an earlier stage.
    if (before.contains(stage.name) &&
        (stage.reused || before[stage.name].value("ended", "") == stage.ended)) {
      stages[stage.name] = before[stage.name];
      continue;
    }
    stages[stage.name] = StageJson(stage);
    const Provenance made_from = ReadProvenance(H5Reader(result.files[i], Seal::kCheckedBefore));
    const auto kind = made_from.find("device_kind");
    const bool on_cpu = kind != made_from.end() && kind->second == "cpu";
    stages[stage.name].update({{"reused", stage.reused},
                               {"resumed", stage.resumed},
                               {"ended", stage.reused ? TimeOf(result.files[i]) : stage.ended},
                               {"host", HostName()},
                               {"device", on_cpu ? "cpu" : device},
                               {"program_version", kVersion}});
  }
  const auto [source, folder] = SourceOf(config);
  run = {{"schema", kRunSchema},
         {"sha256", ""},
         {source, fs::absolute(folder).lexically_normal().string()},
         {"stages", stages}};
  WriteFileAtomically(path, SealedJson(run));
}

Json ReadRunFile(const fs::path& path) {
  if (!fs::exists(path)) return Json::object();
  const std::string text = ReadFile(path, std::size_t{64} << 20);
  Json json = ParseJsonObject(path, text);
  CheckSchema(path, json, kRunSchema);
  if (json.contains("sha256")) CheckJsonSeal(path, text, json, "run the experiment again");
  return json;
}

bool IsStored(const Json& file) { return file.contains("stored"); }

bool IsFromFeatures(const Json& results) {
  return std::ranges::any_of(results.at("files"), IsStored);
}

fs::path StoredFolder(const fs::path& run_file, const Json& run) {
  return ReadingJson(run_file, [&] {
    return run.contains("features_from") ? run.at("features_from").get<std::string>() : "";
  });
}

}  // namespace clipsweep
