#include "launch/experiment/stored_features.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/data/class_names.h"
#include "common/files/feature_file.h"
#include "common/files/made_alike.h"
#include "common/files/text_file.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "launch/experiment/hold_out.h"
#include "launch/experiment/stages.h"
#include "sweep/inputs.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTextPrefix = "text-";

// Throws InputError.
std::vector<std::string> NamesIn(const fs::path& folder) {
  std::error_code code;
  if (!fs::exists(folder, code)) {
    throw InputError(fmt::format("--features-from: {}: {}", folder.string(),
                                 code ? code.message() : "is not there"));
  }
  if (!fs::is_directory(folder, code)) {
    throw InputError(fmt::format(
        "--features-from: {}: is a file; name the folder that has train.h5, test.h5 and text.h5",
        folder.string()));
  }
  std::vector<std::string> names;
  fs::directory_iterator entries(folder, code);
  for (; !code && entries != fs::directory_iterator(); entries.increment(code)) {
    names.push_back(entries->path().filename().string());
  }
  if (code) {
    throw InputError(
        fmt::format("--features-from: {}: cannot be read: {}", folder.string(), code.message()));
  }
  std::sort(names.begin(), names.end());
  return names;
}

void RequireFiles(const fs::path& folder, const std::vector<std::string>& names) {
  std::vector<std::string> missing;
  for (const char* name : {"train.h5", "test.h5", "text.h5"}) {
    if (!std::binary_search(names.begin(), names.end(), name)) missing.emplace_back(name);
  }
  if (missing.empty()) return;
  throw InputError(fmt::format(
      "--features-from: {}: has no {}; extract and text make them, see docs/own-data.md",
      folder.string(), fmt::join(missing, ", ")));
}

// LABEL of text-LABEL.h5; nothing for another file. Throws InputError where other files of the run
// could not have it in their names.
std::optional<std::string> LabelOf(const fs::path& folder, const std::string& name) {
  const fs::path path = name;
  if (!name.starts_with(kTextPrefix) || path.extension() != ".h5") return std::nullopt;
  std::string label = path.stem().string().substr(std::string(kTextPrefix).size());
  if (label.empty() || TemplatesLabel(label) != label) {
    throw InputError(fmt::format(
        "--features-from: {}: names its templates with other characters than letters, digits, - "
        "and _; rename it",
        Printable((folder / name).string())));
  }
  return label;
}

// What the templates of text.h5 are called: by their known name, unless another file has it.
std::string LabelOfText(const TextSet& text, const std::vector<std::string>& taken) {
  const auto is_free = [&](const std::string& label) {
    return std::find(taken.begin(), taken.end(), label) == taken.end();
  };
  for (const std::string& known : ExperimentConfig().compare_templates) {
    if (is_free(known) && ReadTemplates(known) == text.templates) return known;
  }
  std::string label = "text";
  while (!is_free(label)) label += "-h5";
  return label;
}

void TakeFiles(ExperimentConfig& config) {
  const fs::path& folder = config.features_from;
  const std::vector<std::string> names = NamesIn(folder);
  RequireFiles(folder, names);
  const auto take = [&](const std::string& name) {
    config.stored[name] = {folder / name, SealOf(folder / name)};
  };
  for (const char* name : {"test.h5", "text.h5"}) take(name);
  config.compare_templates.clear();
  for (const std::string& name : names) {
    const auto label = LabelOf(folder, name);
    if (!label) continue;
    take(name);
    config.compare_templates.push_back(*label);
  }
  config.templates = LabelOfText(ReadTextFile(folder / "text.h5"), config.compare_templates);
  const bool has_val = std::binary_search(names.begin(), names.end(), "val.h5");
  if (has_val && !config.tune_on_test()) take("val.h5");
  if (has_val || config.tune_on_test()) take("train.h5");
  config.extract.views = FeatureReader(folder / "train.h5").about().views;
}

void RequireSameClasses(const FeatureSet& train, const FeatureSet& test) {
  if (train.classes == test.classes) return;
  const auto differ = std::mismatch(train.classes.begin(), train.classes.end(),
                                    test.classes.begin(), test.classes.end());
  const auto name = [](const auto& at, const auto& list) {
    return at == list.end() ? std::string("none") : "'" + Printable(*at) + "'";
  };
  throw InputError(
      fmt::format("{}, {}: have other classes, {} and {}; at place {} are {} and {}; extract both "
                  "with the same "
                  "--classnames",
                  train.path.string(), test.path.string(), train.classes.size(),
                  test.classes.size(), differ.first - train.classes.begin() + 1,
                  name(differ.first, train.classes), name(differ.second, test.classes)));
}

}  // namespace

bool HoldsOut(const ExperimentConfig& config) {
  return config.has_features() && !config.stored.contains("train.h5");
}

void TakeStoredFeatures(ExperimentConfig& config, Comm& comm) {
  if (!config.has_features()) return;
  Provenance seals;
  Agree(comm, [&] {
    TakeFiles(config);
    for (const auto& [name, file] : config.stored) seals[name] = file.sha256;
    if (HoldsOut(config)) seals["train.h5"] = SealOf(config.features_from / "train.h5");
  });
  RequireSameOnAllRanks(comm, seals);
}

void CheckStoredFeatures(const ExperimentConfig& config) {
  const fs::path train_path = config.features_from / "train.h5";
  const FeatureSet train = FeatureReader(train_path).about();
  FewShotInputs inputs = LoadInputs(config.File("text.h5"), train, "cache", config.allowed);
  const FeatureSet test = FeatureReader(config.File("test.h5")).about();
  LoadQueries(inputs, test, "features");
  RequireSameClasses(train, test);
  if (config.stored.contains("val.h5")) {
    LoadQueries(inputs, FeatureReader(config.File("val.h5")).about(), "val");
  }
  for (const std::string& label : config.compare_templates) {
    const TextSet text = ReadTextFile(config.File(fmt::format("{}{}.h5", kTextPrefix, label)));
    TextRowsFor(text, train, config.allowed, inputs.oddities);
    inputs.files.push_back({"text", text.path, text.made_from});
  }
  if (HoldsOut(config)) {
    HoldOut(config, train.labels, train.classes, train_path.string(), kInsteadOfHoldingOut);
  }
  const std::int64_t shots = *std::max_element(config.shots.begin(), config.shots.end());
  if (shots > MostKeys(inputs)) {
    throw InputError(fmt::format("--shots: {} asked but the largest class of {} has {} keys", shots,
                                 train_path.string(), MostKeys(inputs)));
  }
  Provenance unused;
  RequireTogether(inputs, config.allowed, unused);
}

void DescribeStoredFeatures(const ExperimentConfig& config, ExperimentResult& result) {
  for (const auto& [name, file] : config.stored) {
    const H5Reader reader(file.path);
    if (FormatOf(reader) != kFeatureFormat) continue;
    result.duplicates[name] = FindDuplicates(reader);
    if (name == "test.h5") {  // the classes of train, too
      result.classes = static_cast<std::int64_t>(reader.Texts("classes").size());
    }
  }
}

}  // namespace clipsweep
