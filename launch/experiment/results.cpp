#include "launch/experiment/results.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <optional>

#include "common/data/class_names.h"
#include "common/data/name_match.h"
#include "common/data/statistics.h"
#include "common/disk/atomic_file.h"
#include "common/files/feature_file.h"
#include "common/files/text_file.h"
#include "common/process/log.h"
#include "finetune/methods/all_methods.h"
#include "launch/experiment/stages.h"
#include "launch/records/json_file.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;

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

// Numbers as numbers, words as words.
Json SettingsJson(const std::map<std::string, std::string>& settings) {
  Json json = Json::object();
  for (const auto& [name, text] : settings) {
    const Json value = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    json[name] = value.is_number() ? value : Json(text);
  }
  return json;
}

Json FitsJson(const ExperimentResult& result) {
  Json fits = Json::array();
  for (const MethodFit& one : result.fits) {
    const ClassifierData& classifier = one.fit.classifier;
    fits.push_back(
        {{"method", classifier.method},
         {"title", FindMethod(classifier.method, "--methods").Info().title},
         {"shots", one.shots},
         {"subset_seed", one.seed},
         {"chosen_on", TunedOnName(one.chosen_on)},
         {"settings", SettingsJson(classifier.settings)},
         {"tuned", classifier.tuned},
         {"epoch", classifier.selected_epoch},
         {"notes", classifier.notes},
         {"counts", CountsJson(one.fit.test_samples, one.fit.test.top1, one.fit.test.top5)}});
  }
  return fits;
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

Json FileJson(const H5Reader& file) {
  return {{"format", FormatOf(file)}, {"sha256", file.seal()}, {"made_from", ReadProvenance(file)}};
}

// What was there first; "stored" tells it from the files of the run folder.
Json FilesJson(const ExperimentConfig& config, const ExperimentResult& result) {
  Json files = Json::object();
  for (const auto& [name, stored] : config.stored) {
    files[name] = FileJson(H5Reader(stored.path));
    if (files[name]["sha256"] != stored.sha256) {
      throw InputError(fmt::format("{}: was changed while the experiment ran; run it again",
                                   stored.path.string()));
    }
    files[name]["stored"] = true;
  }
  for (const fs::path& path : result.files)
    files[path.filename().string()] = FileJson(H5Reader(path));
  return files;
}

// The classes that are told apart, with their names in the text, which may have more of them.
ClassNames ClassesOf(const ExperimentConfig& config) {
  const TextSet text = ReadTextFile(config.File("text.h5"));
  std::map<std::string, std::string> name_of;
  for (std::size_t c = 0; c < text.classes.size(); ++c) {
    name_of.emplace(ToNfc(text.classes[c]), text.classnames[c]);
  }
  ClassNames found;
  for (const std::string& each :
       H5Reader(config.File("train.h5"), Seal::kCheckedBefore).Texts("classes")) {
    found.classes.push_back(ToNfc(each));
    const auto known = name_of.find(found.classes.back());
    found.names.push_back(known == name_of.end() ? found.classes.back() : known->second);
  }
  return found;
}

Json SkippedJson(const ExperimentConfig& config) {
  Json skipped = Json::object();
  for (const char* name : {"train.h5", "val.h5", "test.h5"}) {
    if (name == std::string("val.h5") && config.tune_on_test()) continue;
    const auto count = ReadSkipped(H5Reader(config.File(name), Seal::kCheckedBefore)).size();
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

// What the stage that made an evaluated classifier counted; nothing for zero-shot.
std::optional<TopCounts> CountedBefore(const ExperimentConfig& config,
                                       const ExperimentResult& result, const Evaluation& done) {
  for (const MethodFit& one : result.fits) {
    const std::string& method = one.fit.classifier.method;
    if (std::ranges::find(config.methods, method) == config.methods.end()) continue;
    const bool same = one.shots == done.shots && one.seed == config.seeds.front() &&
                      FindMethod(method, "--methods").Info().title == done.method;
    if (same && one.chosen_on == result.tuned_on) return one.fit.test;
  }
  for (std::size_t i = 0; i < result.cells.size(); ++i) {
    const SweepCell& cell = result.cells[i];
    if (cell.shots != done.shots || cell.seed != config.seeds.front()) continue;
    return done.method == "Tip-Adapter" ? cell.test : result.adapters[i].test;
  }
  return std::nullopt;
}

// The sweep and the training count with other products than the evaluation: equal but for logits
// that are nearly equal.
void CompareWithCounted(const ExperimentConfig& config, const ExperimentResult& result,
                        const Evaluation& done) {
  const auto counts = CountedBefore(config, result, done);
  if (!counts || (counts->top1 == done.summary.top1 && counts->top5 == done.summary.top5)) return;
  LogWarning("{} at {} shots: {} right one way, {} image by image (logits nearly equal)",
             done.method, done.shots, counts->top1, done.summary.top1);
}

}  // namespace

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
  if (!config.methods.empty()) json["methods"] = config.methods;
  if (config.training.select == Select::kLast) json["select"] = SelectName(Select::kLast);
  return json;
}

Json MakeResults(const ExperimentConfig& config, const ExperimentResult& result) {
  const ClassNames classes = ClassesOf(config);
  Json evaluations = Json::array();
  for (const Evaluation& done : result.evaluations) evaluations.push_back(EvaluationJson(done));
  for (const Evaluation& done : result.evaluations) CompareWithCounted(config, result, done);
  const Evaluation& last = result.evaluations.back();
  Json json = {{"schema", kResultsSchema},
               {"sha256", ""},  // its place; WriteResults seals
               {"program_version", kVersion},
               {"title", config.title},
               {"tuned_on", TunedOnName(result.tuned_on)},
               {"config", ConfigJson(config)},
               {"classes", result.classes},
               {"class_names", classes.names},
               {"class_folders", classes.classes},
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
               {"files", FilesJson(config, result)}};
  if (!result.fits.empty()) json["fits"] = FitsJson(result);
  return json;
}

}  // namespace clipsweep
