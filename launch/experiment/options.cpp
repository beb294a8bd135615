#include "launch/experiment/options.h"

#include <fmt/core.h>

#include <algorithm>
#include <memory>
#include <sstream>

#include "common/data/class_names.h"
#include "common/data/statistics.h"
#include "common/disk/atomic_file.h"
#include "common/disk/output_lock.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "finetune/methods/all_methods.h"
#include "launch/experiment/experiment.h"
#include "launch/experiment/leak.h"
#include "launch/experiment/results.h"
#include "launch/experiment/stored_features.h"
#include "launch/options/home_folder.h"
#include "launch/options/path_options.h"

namespace clipsweep {
namespace {

// "87.31 ± 0.43 "; the half-width is – where there is one value only.
std::string Percent(const MeanInterval& interval) {
  if (!interval.half_width) return fmt::format("{:6.2f} ± –    ", 100 * interval.mean);
  return fmt::format("{:6.2f} ± {:<5.2f}", 100 * interval.mean, 100 * *interval.half_width);
}

// What test images would have gained by choosing.
std::string LeakTable(const Json& results) {
  const std::vector<LeakRow> rows = LeakOf(results);
  if (rows.empty()) return "";
  std::string text = fmt::format(
      "\nthe leak: top-1 % when validation images choose, and when test images do\n\n{:<18} {:>6} "
      "{:>8} {:>8} {:>8}\n",
      "method", "shots", "val", "test", "leak");
  for (const LeakRow& row : rows) {
    text += fmt::format("{:<18} {:>6} {:>8.2f} {:>8.2f} {:>+8.2f}\n", row.method, row.shots,
                        100 * row.on_val, 100 * row.on_test, 100 * (row.on_test - row.on_val));
  }
  return text;
}

std::string Table(const ExperimentResult& result, const ExperimentConfig& config) {
  std::size_t width = 14;
  for (const MethodRow& row : result.rows) width = std::max(width, row.method.size());
  std::string text = fmt::format(
      "{} classes, {} test images; {} chosen on {}; mean ± 95 % over {} subset "
      "seeds\n\n"
      "{:<{}} {:<14} {:>6}   {:<15}  {:<15}\n",
      result.classes, result.test_samples,
      config.training.select == Select::kLast ? "alpha and beta" : "alpha, beta and epoch",
      TunedOnName(result.tuned_on), config.seeds.size(), "method", width, "templates", "shots",
      "top-1 %", "top-5 %");
  for (const MethodRow& row : result.rows) {
    text += fmt::format("{:<{}} {:<14} {:>6}   {}  {}\n", row.method, width, row.templates,
                        row.shots, Percent(Summarize(row.top1)), Percent(Summarize(row.top5)));
  }
  return text;
}

std::vector<std::string> Parts(const std::string& list) {
  std::vector<std::string> parts;
  std::istringstream words(list);
  for (std::string word; std::getline(words, word, ',');) parts.push_back(word);
  return parts;
}

Tune ParseTune(const std::string& name) {
  if (name == "val") return Tune::kVal;
  if (name == "test") return Tune::kTest;
  throw UsageError(fmt::format("--tune: '{}' is not one of val, test", Printable(name)));
}

// Those that no study has anyway, in the table's order.
std::vector<std::string> ParseMethods(const std::string& text) {
  const std::vector<std::string> asked = Parts(text == "none" ? "" : text);
  if (text != "all") {
    for (const std::string& name : asked) FindMethod(name, "--methods");
  }
  std::vector<std::string> methods;
  for (const auto& method : AllMethods()) {
    const MethodInfo info = method->Info();
    const bool wanted = text == "all" || std::ranges::find(asked, info.name) != asked.end();
    if (wanted && !info.of_every_study) methods.push_back(info.name);
  }
  return methods;
}

// "all", "none" and what switches take in a configuration; else names.
Fresh ParseFresh(const std::string& text) {
  for (const char* all : {"all", "", "true", "yes", "on", "1"}) {
    if (text == all) return {true, {}};
  }
  for (const char* none : {"none", "false", "no", "off", "0"}) {
    if (text == none) return {};
  }
  return {false, Parts(text)};
}

}  // namespace

void ExperimentOptions::Add(boost::program_options::options_description& options) {
  // clang-format off
  const std::size_t before = options.options().size();
  AddModelOptions(options, &config_.model, ModelNeed::kSometimes);
  AddPictureOptions(options, &config_.model);
  options.add_options()
      ("train", InputPath(&train_), "image folder of the keys: one sub-folder per class")
      ("val", InputPath(&val_), "image folder that chooses alpha, beta and epoch; when not given, up to 4 images a class of --train do")
      ("test", InputPath(&test_), "image folder that is measured")
      ("split", InputPath(&split_), "instead of folders: a split_zhou_*.json, with paths below --images")
      ("images", InputPath(&images_), "with --split: the folder its paths start from")
      ("classnames", InputPath(&classnames_), "class names: lines or JSON, see docs/file-formats.md; when not given, names of folders")
      ("templates", InputPath(&config_.templates)->default_value(config_.templates), "imagenet-1, imagenet-7, imagenet-80 or a file")
      ("compare-templates", Default(&compare_), "zero-shot is also measured with these; none for no others");
  extract_.Add(options, "extract-batch");
  for (std::size_t i = before; i < options.options().size(); ++i) {
    of_images_.push_back(options.options()[i]->long_name());
  }
  options.add_options()
      ("features-from", InputPath(&features_from_), "instead of a model and images: folder of train.h5, test.h5, text.h5 and, where there are, val.h5 and text-LABEL.h5")
      ("title", Default(&config_.title), "of the data set, for reports")
      ("shots", Default(&shots_), "keys per class, as in 1,5,16")
      ("subset-seeds", Default(&seeds_), "which keys: one subset a seed, as in 31,32 or 31:41")
      ("methods", Default(&methods_), "few-shot methods besides zero-shot, Tip-Adapter and Tip-Adapter-F: names that 'clipsweep methods' lists, as in lp++,gda; all; or none")
      ("leak", Switch(&config_.leak), "also let the test images choose, and show the difference")
      ("tune", Default(&tune_), "what chooses alpha, beta and epoch: val, or test (labelled)")
      ("fresh", Default(&fresh_)->implicit_value("all", "all"), "make everything again; or only these stages or files, as in train,sweep, and what stands on them")
      ("run", RunFolder(&run_)->required(), "folder for every file of the run; up-to-date ones are kept");
  // clang-format on
  AddAllowOptions(options, {AllowOption::kOverlap}, &config_.allowed);
  sweep_.Add(options);
  training_.Add(options);
  save_every_.Add(options,
                  "seconds between savings of what a sweep or a training has done; 0: none");
}

ExperimentConfig ExperimentOptions::Config(const CommonOptions& common) const {
  if (run_.empty()) throw UsageError("--run: is empty; name a folder");
  features_from_.empty() ? CheckImageSource() : CheckFeatureSource(common);
  ExperimentConfig config = config_;
  config.tune = ParseTune(tune_);
  config.extract = extract_.Take();
  config.sweep = sweep_.Take();
  config.training = training_.Take(config.tune_on_test() ? Select::kTest : Select::kVal);
  std::chrono::milliseconds every{-1};
  save_every_.Take(every);
  if (every.count() >= 0) config.save_every = every;
  config.features_from = features_from_;
  config.train = train_;
  config.val = val_;
  config.test = test_;
  config.images = images_;
  config.split = split_;
  config.classnames = classnames_;
  config.run = run_;
  config.seed = common.seed;
  config.shots = ParseIntegers(shots_, "--shots", 1);
  config.seeds = ParseIntegers(seeds_, "--subset-seeds", 0);
  config.compare_templates.clear();
  for (const std::string& spec : Parts(compare_ == "none" ? "" : compare_)) {
    config.compare_templates.push_back(WithHome(spec));
  }
  config.methods = ParseMethods(methods_);
  if (config.leak && config.tune_on_test()) {
    throw UsageError(
        "--leak: compares what validation and test images choose; leave out --tune test");
  }
  config.fresh = ParseFresh(fresh_);
  return config;
}

void ExperimentOptions::CheckImageSource() const {
  if (config_.model.model.empty()) {
    throw UsageError(
        "--model: missing; name a checkpoint, or, where features are there, their folder with "
        "--features-from");
  }
  if (split_.empty() != images_.empty()) {
    throw UsageError("--split, --images: belong together; give both or neither");
  }
  const bool folders = !train_.empty() || !val_.empty() || !test_.empty();
  if (!split_.empty() && (folders || !classnames_.empty())) {
    throw UsageError(
        "--split: names images and classes itself; leave --train, --val, --test and --classnames "
        "out");
  }
  if (split_.empty() && (train_.empty() || test_.empty())) {
    throw UsageError(
        "--train, --test: give both image folders, or --images and --split for a "
        "split_zhou_*.json, or --features-from for features that are there");
  }
}

void ExperimentOptions::CheckFeatureSource(const CommonOptions& common) const {
  std::string given;
  for (const std::string& option : of_images_) {
    if (common.given.contains(option)) given += (given.empty() ? "--" : ", --") + option;
  }
  if (!given.empty()) {
    throw UsageError(fmt::format(
        "--features-from, {}: features and text are there already; leave one or the other out",
        given));
  }
  if (IsBelow(run_, features_from_)) {
    throw UsageError(fmt::format(
        "--run: {} is in the folder of --features-from, which is only read; name another",
        Printable(run_)));
  }
}

CommandOutput RunAndReport(const ExperimentConfig& asked, const CommandContext& context) {
  ExperimentConfig config = asked;
  TakeStoredFeatures(config, context.comm);
  std::unique_ptr<OutputLock> lock;
  Agree(context.comm, [&] {
    if (context.comm.is_root()) lock = std::make_unique<OutputLock>(config.run / "results.json");
  });
  const auto write_times = [&](const ExperimentResult& so_far, bool finished) {
    UpdateRunFile(config, context.compute.device, so_far, finished);
  };
  Agree(context.comm, [&] {  // from its start on the folder is known as a run's
    if (context.comm.is_root() && !std::filesystem::exists(config.run / "run.json")) {
      write_times({}, false);
    }
  });
  const ExperimentResult result =
      RunExperiment(config, context.compute, context.comm,
                    [&](const ExperimentResult& so_far) { write_times(so_far, false); });
  CommandOutput output;
  Agree(context.comm, [&] {
    if (!context.comm.is_root()) return;
    const Json results = MakeResults(config, result);
    WriteResults(config.run / "results.json", results);
    const std::string table = Table(result, config) + LeakTable(results);
    std::string notes;
    for (const auto& [file, count] : results["skipped_images"].items()) {
      notes += fmt::format("not counted, unreadable images: {} of {}\n", count.get<std::int64_t>(),
                           file);
    }
    notes += OdditiesText(result.oddities);
    const auto& samples = results["class_samples"];
    if (const auto none = std::count(samples.begin(), samples.end(), 0); none > 0) {
      notes += fmt::format("{} in test.h5\n", ClassesWithoutImagesText(none, result.classes));
    }
    WriteFileAtomically(config.run / "table.txt", table + notes);
    write_times(result, true);
    output.text = table + fmt::format("\nrun folder: {}\n", config.run.string());
    output.json = {{"run", config.run.string()}};
    for (const char* name : {"tuned_on", "classes", "rows", "cells", "test"}) {
      output.json[name] = results[name];
    }
    const ClassNames names{results["class_folders"].get<std::vector<std::string>>(),
                           results["class_names"].get<std::vector<std::string>>()};
    if (!names.Shared().empty()) output.json["shared_names"] = names.Shared();
    Json stages = Json::object();
    for (const StageTime& stage : result.stages) {
      stages[stage.name] = StageJson(stage);
      stages[stage.name].update({{"reused", stage.reused}, {"resumed", stage.resumed}});
    }
    output.json["stages"] = stages;
    Json folders = Json::object();
    for (const auto& [split, left_out] : result.left_out) {
      CommandOutput part;
      NoteLeftOut(left_out, part);
      folders[split] = part.json;
      for (const std::string& line : left_out.Lines()) {
        output.text += fmt::format("{}: {}\n", split, line);
      }
    }
    output.json["folders"] = folders;
  });
  std::vector<std::string> feature_files;
  for (const char* split : {"train.h5", "val.h5", "test.h5"}) {
    if (split != std::string("val.h5") || !config.tune_on_test()) {
      feature_files.push_back(config.File(split).string());
    }
  }
  NoteSkipped(context, feature_files, output);
  NoteOddities(context, result.oddities, output);
  NoteClassesWithoutImages(context, "", feature_files, output);
  return output;
}

}  // namespace clipsweep
