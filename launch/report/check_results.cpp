#include "launch/report/check_results.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "common/data/statistics.h"
#include "common/files/oddities.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "launch/records/json_field.h"
#include "launch/report/check_evaluation.h"
#include "sweep/sweep_job.h"

namespace clipsweep {
namespace {

constexpr std::int64_t kMost = kMostCounted;

// Distinct integers, at least one.
std::vector<std::int64_t> ReadNumbers(const JsonField& field, std::int64_t least) {
  std::vector<std::int64_t> numbers;
  std::set<std::int64_t> seen;
  for (const JsonField& one : field.List()) {
    numbers.push_back(one.Integer(least, kMost));
    if (!seen.insert(numbers.back()).second) one.Refuse("stands twice");
  }
  if (numbers.empty()) field.Refuse("is empty");
  return numbers;
}

// As ConfigJson of results.cpp writes it: axes, or "official DATASET" twice.
SweepGrid ReadAxes(const JsonField& alpha, const JsonField& beta) {
  const std::string official = "official ";
  SweepSettings settings{alpha.Text(), beta.Text(), "", ""};
  if (settings.alpha.starts_with(official) && settings.beta == settings.alpha) {
    settings = {"", "", "official", settings.alpha.substr(official.size())};
  }
  try {
    return ReadGrid(settings);
  } catch (const Error& error) {
    const bool is_beta = std::string_view(error.what()).starts_with("--beta");
    (is_beta ? beta : alpha).Refuse("is not a grid");
  }
}

class Checker {
 public:
  Checker(const std::filesystem::path& path, const Json& results) : whole_(path, results) {}

  void Check() {
    CheckHead();
    CheckClasses();
    CheckCells();
    CheckFits();
    for (const JsonField& field : whole_.At("evaluations").List()) CheckEvaluation(field);
    CheckEvaluationsAreAll();
    CheckRows();
    CheckNotes();
    CheckFiles();
  }

 private:
  void CheckHead() {
    whole_.At("program_version").NotEmpty();
    whole_.At("title").Text();
    const std::string tuned = whole_.At("tuned_on").Text();
    if (tuned != "val" && tuned != "test") whole_.At("tuned_on").Refuse("is neither val nor test");
    const JsonField config = whole_.At("config");
    templates_ = config.At("templates").NotEmpty();
    shots_ = ReadNumbers(config.At("shots"), 1);
    seeds_ = ReadNumbers(config.At("subset_seeds"), 0);
    const SweepGrid grid = ReadAxes(config.At("alpha"), config.At("beta"));
    alpha_ = grid.alpha;
    beta_ = grid.beta;
    epochs_ = config.At("epochs").Integer(1, kMost);
    for (const char* name : {"views", "batch"}) config.At(name).Integer(1, kMost);
    config.At("lr").Number(0, 1e6);
    config.At("seed").Integer(INT64_MIN, INT64_MAX);
    most_keys_ = whole_.At("most_keys").Integer(0, kMost);
  }

  void CheckClasses() {
    for (const char* name : {"class_names", "class_folders"}) {
      const auto list = whole_.At(name).List();
      for (const JsonField& one : list) one.NotEmpty();
      whole_.At("classes").Integer(static_cast<std::int64_t>(list.size()),
                                   static_cast<std::int64_t>(list.size()));
    }
    for (const JsonField& one : whole_.At("class_samples").List()) {
      class_samples_.push_back(one.Integer(0, kMost));
      samples_ += class_samples_.back();
      if (samples_ > kMost) one.Refuse("is too many");
    }
    test_ = ReadCounts(whole_.At("test"));
    ExpectSamples(whole_.At("test"), test_);
  }

  void ExpectSamples(const JsonField& field, const ResultCounts& counts) const {
    if (counts.samples != samples_) {
      field.Refuse(fmt::format("counts {} samples, but 'class_samples' are {} together",
                               counts.samples, samples_));
    }
  }

  static void ExpectOnAxis(const JsonField& field, const Axis& axis) {
    const double value = field.Number(0, 1e9);
    const double at = axis.count == 1 ? 0 : std::round((value - axis.low) / axis.step);
    const bool inside = at >= 0 && at < static_cast<double>(axis.count);
    if (!inside || std::abs(axis.At(static_cast<std::int64_t>(at)) - value) >
                       1e-9 * std::max(1.0, std::abs(value))) {
      field.Refuse(fmt::format("is {}, which is not on its grid", value));
    }
  }

  // Of every shot count (outer) and seed (inner) one, in this order.
  void CheckCells() {
    const auto cells = whole_.At("cells").List();
    if (cells.size() != shots_.size() * seeds_.size()) {
      whole_.At("cells").Refuse(
          fmt::format("are {}, but there are {} shot counts and {} subset seeds", cells.size(),
                      shots_.size(), seeds_.size()));
    }
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const JsonField& cell = cells[i];
      const std::int64_t shots = shots_[i / seeds_.size()], seed = seeds_[i % seeds_.size()];
      cell.At("shots").Integer(shots, shots);
      cell.At("subset_seed").Integer(seed, seed);
      ExpectOnAxis(cell.At("alpha"), alpha_);
      ExpectOnAxis(cell.At("beta"), beta_);
      cell.At("tip_adapter_f_epoch").Integer(1, epochs_);
      for (const char* name : {"tip_adapter", "tip_adapter_f"}) {
        const ResultCounts counts = ReadCounts(cell.At(name));
        ExpectSamples(cell.At(name), counts);
        const std::string method = name == std::string("tip_adapter") ? kTip : kTipF;
        const bool one_subset = shots == most_keys_;
        if (one_subset && !by_cell_[{method, shots}].empty()) continue;
        by_cell_[{method, shots}].push_back(counts);
      }
    }
  }

  // Of --methods and --leak; those that validation images, or what the run names, chose make rows.
  void CheckFits() {
    if (!whole_.Has("fits")) return;
    const JsonField config = whole_.At("config");
    std::set<std::string> listed;
    if (config.Has("methods")) {
      for (const JsonField& one : config.At("methods").List()) listed.insert(one.NotEmpty());
    }
    for (const JsonField& fit : whole_.At("fits").List()) {
      const std::string method = fit.At("method").NotEmpty(), title = fit.At("title").NotEmpty();
      const std::int64_t shots = fit.At("shots").Integer(1, kMost);
      if (std::ranges::find(shots_, shots) == shots_.end())
        fit.At("shots").Refuse("is not a shot count of the experiment");
      fit.At("subset_seed").Integer(0, kMost);
      fit.At("epoch").Integer(0, kMost);
      const std::string chosen_on = fit.At("chosen_on").Text();
      if (chosen_on != "val" && chosen_on != "test")
        fit.At("chosen_on").Refuse("is neither val nor test");
      const ResultCounts counts = ReadCounts(fit.At("counts"));
      ExpectSamples(fit.At("counts"), counts);
      if (!listed.contains(method) || chosen_on != whole_.At("tuned_on").Text()) continue;
      if (method_titles_.empty() || method_titles_.back() != title) method_titles_.push_back(title);
      auto& all = by_cell_[{title, shots}];
      if (shots != most_keys_ || all.empty()) all.push_back(counts);
    }
  }

  void CheckEvaluation(const JsonField& field) {
    const std::string method = field.At("method").Text(), templates = field.At("templates").Text();
    const bool zero_shot = method == kZeroShot;
    const std::int64_t shots = field.At("shots").Integer(0, zero_shot ? 0 : kMost);
    if (!zero_shot && !by_cell_.contains({method, shots}))
      field.Refuse("is of a method or shot count that is not one of the experiment's");
    if (!zero_shot && templates != templates_)
      field.At("templates").Refuse("are not those of the experiment");
    if (!evaluated_.emplace(method, templates, shots).second) field.Refuse("stands twice");
    ExpectPlainName(field.At("file"), field.At("file").NotEmpty());
    const ResultCounts counts = ReadCounts(field.At("counts"));
    ExpectSamples(field.At("counts"), counts);
    if (zero_shot) zero_shot_.emplace_back(templates, counts);
    last_ = counts;
    CheckEvaluationFigures(field, counts, class_samples_);
  }

  void CheckEvaluationsAreAll() const {
    const JsonField field = whole_.At("evaluations");
    if (evaluated_.size() != zero_shot_.size() + by_cell_.size() || zero_shot_.empty())
      field.Refuse("are not zero-shot and each method at each shot count");
    if (!(test_ == last_)) whole_.At("test").Refuse("is not that of the last evaluation");
  }

  void CheckRows() const {
    struct Expected {
      std::string method, templates;
      std::int64_t shots;
      std::vector<ResultCounts> counts;
    };
    std::vector<Expected> expected;
    for (const auto& [templates, counts] : zero_shot_)
      expected.push_back({kZeroShot, templates, 0, {counts}});
    std::vector<std::string> methods{kTip, kTipF};
    methods.insert(methods.end(), method_titles_.begin(), method_titles_.end());
    for (const std::string& method : methods) {
      for (const std::int64_t shots : shots_) {
        const auto counts = by_cell_.find({method, shots});
        if (counts == by_cell_.end()) whole_.At("fits").Refuse("lack a method at a shot count");
        expected.push_back({method, templates_, shots, counts->second});
      }
    }
    const auto rows = whole_.At("rows").List();
    if (rows.size() != expected.size()) {
      whole_.At("rows").Refuse(
          fmt::format("are {}, but cells and evaluations make {}", rows.size(), expected.size()));
    }
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const Expected& row = expected[i];
      if (rows[i].At("method").Text() != row.method ||
          rows[i].At("templates").Text() != row.templates)
        rows[i].Refuse(
            fmt::format("is not {} with templates {}", row.method, Printable(row.templates)));
      rows[i].At("shots").Integer(row.shots, row.shots);
      std::vector<double> top1, top5;
      for (const ResultCounts& counts : row.counts) {
        top1.push_back(counts.Accuracy(counts.top1));
        top5.push_back(counts.Accuracy(counts.top5));
      }
      CheckAccuracies(rows[i], "top1", top1);
      CheckAccuracies(rows[i], "top5", top5);
    }
  }

  static void CheckAccuracies(const JsonField& row, const std::string& top,
                              const std::vector<double>& values) {
    const auto found = row.At(top + "_accuracy").List();
    if (found.size() != values.size()) {
      row.At(top + "_accuracy")
          .Refuse(fmt::format("are {}, but there are {} subsets", found.size(), values.size()));
    }
    for (std::size_t i = 0; i < values.size(); ++i)
      found[i].ExpectAbout(values[i], "that of its counts");
    const MeanInterval summary = Summarize(values);
    row.At(top + "_mean").ExpectAbout(summary.mean, "the mean of its accuracies");
    const JsonField half = row.At(top + "_half_width_95");
    if (summary.half_width) {
      half.ExpectAbout(*summary.half_width, "that of its accuracies");
    } else {
      half.ExpectNull("there is one subset");
    }
  }

  void CheckNotes() const {
    for (const auto& [file, count] : whole_.At("skipped_images").Members()) {
      ExpectPlainName(count, file);
      count.Integer(1, kMost);
    }
    if (whole_.Has("duplicate_pictures")) {
      for (const auto& [file, found] : whole_.At("duplicate_pictures").Members()) {
        ExpectPlainName(found, file);
        found.At("across_classes").Integer(0, found.At("pictures").Integer(1, kMost));
      }
    }
    if (!whole_.Has("inputs")) return;
    for (const auto& [kind, sentences] : whole_.At("inputs").Members()) {
      bool known = false;
      for (const OddityKind& one : kOddityKinds) known = known || kind == one.name;
      if (!known) sentences.Refuse("is nothing that inputs have");
      for (const JsonField& sentence : sentences.List()) sentence.NotEmpty();
    }
  }

  static void ExpectPlainName(const JsonField& field, const std::string& name) {
    if (name.empty() || name == "." || name == ".." ||
        name.find_first_of(std::string("/\0", 2)) != std::string::npos)
      field.Refuse(fmt::format("names a file outside the run folder: {}", Printable(name)));
  }

  void CheckFiles() const {
    for (const auto& [name, file] : whole_.At("files").Members()) {
      ExpectPlainName(file, name);
      file.At("format").Text();
      file.At("sha256").ExpectSha256();
      if (file.Has("stored")) file.At("stored").ExpectTrue();
      for (const auto& [key, value] : file.At("made_from").Members()) value.Text();
    }
  }

  static constexpr const char* kZeroShot = "zero-shot";
  static constexpr const char* kTip = "Tip-Adapter";
  static constexpr const char* kTipF = "Tip-Adapter-F";

  const JsonField whole_;
  std::string templates_;
  std::vector<std::int64_t> shots_, seeds_, class_samples_;
  Axis alpha_, beta_;
  std::int64_t epochs_ = 0, most_keys_ = 0, samples_ = 0;
  ResultCounts test_, last_;
  std::vector<std::string> method_titles_;  // of --methods
  std::map<std::pair<std::string, std::int64_t>, std::vector<ResultCounts>>
      by_cell_;                                                  // method, shots
  std::vector<std::pair<std::string, ResultCounts>> zero_shot_;  // by templates
  std::set<std::tuple<std::string, std::string, std::int64_t>> evaluated_;
};

}  // namespace

void CheckResultsAgree(const std::filesystem::path& path, const Json& results) {
  Checker(path, results).Check();
}

}  // namespace clipsweep
