#include "launch/experiment/results.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>

#include "common/data/statistics.h"
#include "common/disk/atomic_file.h"
#include "common/files/feature_file.h"
#include "common/files/text_file.h"
#include "common/process/log.h"
#include "launch/experiment/stages.h"
#include "launch/records/json_file.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMostImages = std::int64_t{1} << 50;
constexpr std::size_t kMostConfusions = 1000;  // of each classifier; the prediction file has all

// What cannot be estimated is null.
Json OrNull(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

Json CellsJson(const ExperimentResult& result) {
  Json cells = Json::array();
  for (std::size_t i = 0; i < result.cells.size(); ++i) {
    const SweepCell& cell = result.cells[i];
    const FinetuneResult& adapter = result.adapters[i];
    cells.push_back(
        {{"shots", cell.shots},
         {"subset_seed", cell.seed},
         {"alpha", cell.alpha},
         {"beta", cell.beta},
         {"tip_adapter", CountsJson(result.test_samples, cell.test.top1, cell.test.top5)},
         {"tip_adapter_f", CountsJson(adapter.samples, adapter.test.top1, adapter.test.top5)},
         {"tip_adapter_f_epoch", adapter.selected_epoch}});
  }
  return cells;
}

Json EvaluationJson(const Evaluation& done) {
  const PredictionSummary& summary = done.summary;
  Json bins = Json::array();
  for (const ConfidenceBin& bin : summary.bins) {
    if (bin.count > 0) {
      bins.push_back({bin.count, bin.confidence, bin.accuracy});
    } else {
      bins.push_back({0, nullptr, nullptr});
    }
  }
  Json confusions = Json::array();
  for (const auto& pair : summary.confusions) {
    if (confusions.size() == kMostConfusions) break;
    confusions.push_back({pair.label, pair.predicted, pair.count});
  }
  return {{"method", done.method},
          {"templates", done.templates},
          {"shots", done.shots},
          {"file", done.file.filename().string()},
          {"counts", CountsJson(summary.samples, summary.top1, summary.top5)},
          {"class_top1", summary.class_top1},
          {"ece", OrNull(summary.ece)},
          {"calibration_bins", bins},
          {"confusions", confusions},
          {"confusions_left_out", summary.confusions.size() - confusions.size()}};
}

Json FilesJson(const std::vector<fs::path>& paths) {
  Json files = Json::object();
  for (const fs::path& path : paths) {
    const H5Reader file(path);
    files[path.filename().string()] = {
        {"format", FormatOf(file)}, {"sha256", file.seal()}, {"made_from", ReadProvenance(file)}};
  }
  return files;
}

Json SkippedJson(const ExperimentConfig& config) {
  Json skipped = Json::object();
  for (const char* name : {"train.h5", "val.h5", "test.h5"}) {
    if (name == std::string("val.h5") && config.tune_on_test()) continue;
    const auto count = ReadSkipped(H5Reader(config.run / name, Seal::kCheckedBefore)).size();
    if (count > 0) skipped[name] = count;
  }
  return skipped;
}

Json DuplicatesJson(const ExperimentResult& result) {
  Json json = Json::object();
  for (const auto& [file, found] : result.duplicates) {
    if (found.pictures > 0) {
      json[file] = {{"pictures", found.pictures}, {"across_classes", found.across_classes}};
    }
  }
  return json;
}

// The sweep and the training count with other products than the evaluation: equal but for logits
// that are nearly equal.
void CompareWithCells(const ExperimentConfig& config, const ExperimentResult& result,
                      const Evaluation& done) {
  for (std::size_t i = 0; i < result.cells.size(); ++i) {
    const SweepCell& cell = result.cells[i];
    if (cell.shots != done.shots || cell.seed != config.seeds.front()) continue;
    const TopCounts counts = done.method == "Tip-Adapter" ? cell.test : result.adapters[i].test;
    if (counts.top1 == done.summary.top1 && counts.top5 == done.summary.top5) continue;
    LogWarning("{} at {} shots: {} right one way, {} image by image (logits nearly equal)",
               done.method, done.shots, counts.top1, done.summary.top1);
  }
}

// From the first schema to the present one.
void Upgrade(Json& json) {
  if (json.at("schema") != kFirstResultsSchema) return;
  json["schema"] = kResultsSchema;
  for (Json& row : json.at("rows")) {
    if (row.at("top1_accuracy").size() > 1) continue;
    row["top1_half_width_95"] = row["top5_half_width_95"] = nullptr;
  }
  for (Json& done : json.at("evaluations")) {
    for (Json& bin : done.at("calibration_bins")) {
      if (bin.at(0) == 0) bin = {0, nullptr, nullptr};
    }
  }
}

// What schemas cannot say: that sizes and numbers fit one another.
void CheckResults(const fs::path& path, const Json& json) {
  const auto fail = [&](const std::string& what) {
    throw InputError(fmt::format("{}: {}; run the experiment again", path.string(), what));
  };
  const std::size_t classes = json.at("class_names").size();
  if (classes == 0 || json.at("classes") != classes) fail("'classes' does not fit 'class_names'");
  const auto check_counts = [&](const char* name, const Json& counts) {
    if (counts.size() != classes) fail(fmt::format("'{}' has not one number a class", name));
    for (const Json& count : counts) {
      const auto value = count.get<std::int64_t>();
      if (value < 0 || value > kMostImages) fail(fmt::format("'{}' has {}, no count", name, value));
    }
  };
  const auto fraction = [&](const Json& value) {
    if (!(value.get<double>() >= 0 && value.get<double>() <= 1)) {
      fail(fmt::format("{} is no fraction of 1", value.dump()));
    }
  };
  if (json.at("class_folders").size() != classes)
    fail("'class_folders' does not fit 'class_names'");
  check_counts("class_samples", json.at("class_samples"));
  for (const Json& shots : json.at("config").at("shots")) {
    if (shots.get<std::int64_t>() < 1) fail(fmt::format("{} shots are too few", shots.dump()));
  }
  for (const Json& row : json.at("rows")) {
    if (row.at("shots").get<std::int64_t>() < 0) fail("a row has less than 0 shots");
    for (const std::string top : {"top1", "top5"}) {
      fraction(row.at(top + "_mean"));
      const Json& half = row.at(top + "_half_width_95");
      const bool one = row.at(top + "_accuracy").size() < 2;
      // Of few subsets it may be above 1.
      if (one ? !half.is_null() : !(half.get<double>() >= 0)) {
        fail(fmt::format("{} is no half-width of {}", half.dump(),
                         one ? "one subset" : "an interval"));
      }
    }
  }
  for (const Json& done : json.at("evaluations")) {
    check_counts("class_top1", done.at("class_top1"));
    if (!done.at("ece").is_null()) fraction(done.at("ece"));
    for (const Json& bin : done.at("calibration_bins")) {
      if (bin.at(0) == 0) continue;
      fraction(bin.at(1));
      fraction(bin.at(2));
    }
    for (const Json& pair : done.at("confusions")) {
      if (pair.at(0).get<std::uint64_t>() >= classes ||
          pair.at(1).get<std::uint64_t>() >= classes) {
        fail("'confusions' names a class that is not there");
      }
    }
  }
}

}  // namespace

void CheckSchema(const fs::path& path, const Json& json, const std::string& schema,
                 const std::string& earlier) {
  const auto found = json.find("schema");
  if (found != json.end() && (*found == schema || (!earlier.empty() && *found == earlier))) return;
  throw InputError(
      fmt::format("{}: is of schema {}, this program knows '{}'; {}", path.string(),
                  found == json.end() ? "none" : Printable(found->dump()).substr(0, 80), schema,
                  "use the program that wrote it, or run the experiment again"));
}

Json RowsJson(const ExperimentResult& result) {
  Json rows = Json::array();
  for (const MethodRow& row : result.rows) {
    const MeanInterval top1 = Summarize(row.top1), top5 = Summarize(row.top5);
    rows.push_back({{"method", row.method},
                    {"templates", row.templates},
                    {"shots", row.shots},
                    {"top1_accuracy", row.top1},
                    {"top5_accuracy", row.top5},
                    {"top1_mean", top1.mean},
                    {"top1_half_width_95", OrNull(top1.half_width)},
                    {"top5_mean", top5.mean},
                    {"top5_half_width_95", OrNull(top5.half_width)}});
  }
  return rows;
}

// What a reader compares runs by; of what is rarely set, what differs from its default.
Json ConfigJson(const ExperimentConfig& config) {
  const SweepGrid grid = ReadGrid(config.sweep);
  Json json = {{"templates", TemplatesLabel(config.templates)},
               {"shots", config.shots},
               {"subset_seeds", config.seeds},
               {"alpha", grid.alpha_text},
               {"beta", grid.beta_text},
               {"views", config.extract.views},
               {"epochs", config.training.epochs},
               {"batch", config.training.batch},
               {"lr", config.training.lr},
               {"seed", config.seed}};
  const auto note = [&](const char* name, const auto& value, const auto& usual) {
    if (value != usual) json[name] = value;
  };
  const ExtractSettings extract;
  note("extract_batch", config.extract.batch, extract.batch);
  note("dtype", FloatKindName(config.extract.dtype), FloatKindName(extract.dtype));
  const TrainSettings training;
  note("eps", config.training.eps, training.eps);
  note("weight_decay", config.training.weight_decay, training.weight_decay);
  note("patience", config.training.patience, training.patience);
  note("learn", config.training.learn.Names(), training.learn.Names());
  if (config.training.select == Select::kLast) json["select"] = SelectName(Select::kLast);
  return json;
}

Json MakeResults(const ExperimentConfig& config, const ExperimentResult& result) {
  const TextSet text = ReadTextFile(config.run / "text.h5");
  Json evaluations = Json::array();
  for (const Evaluation& done : result.evaluations) evaluations.push_back(EvaluationJson(done));
  for (const Evaluation& done : result.evaluations) CompareWithCells(config, result, done);
  const Evaluation& last = result.evaluations.back();
  Json json = {{"schema", kResultsSchema},
               {"sha256", ""},  // its place; WriteResults seals
               {"program_version", kVersion},
               {"title", config.title},
               {"tuned_on", TunedOnName(result.tuned_on)},
               {"config", ConfigJson(config)},
               {"classes", result.classes},
               {"class_names", text.classnames},
               {"class_folders", text.classes},
               {"class_samples", last.summary.class_samples},
               {"most_keys", result.most_keys},
               // of the last method at the last shot count, first seed
               {"test", CountsJson(last.summary.samples, last.summary.top1, last.summary.top5)},
               {"rows", RowsJson(result)},
               {"cells", CellsJson(result)},
               {"evaluations", evaluations},
               {"skipped_images", SkippedJson(config)},
               {"duplicate_pictures", DuplicatesJson(result)},
               {"inputs", OdditiesJson(result.oddities)},
               {"files", FilesJson(result.files)}};
  return json;
}

void WriteResults(const fs::path& path, const Json& results) {
  WriteFileAtomically(path, SealedJson(results));
}

Json ReadResults(const fs::path& path) {
  const std::string text = ReadFile(path, std::size_t{1} << 28);
  Json json = ParseJsonObject(path, text);
  CheckSchema(path, json, kResultsSchema, kFirstResultsSchema);
  CheckJsonSeal(path, text, json, "run the experiment again");
  ReadingJson(path, [&] {
    Upgrade(json);
    CheckResults(path, json);
    return 0;
  });
  return json;
}

}  // namespace clipsweep
