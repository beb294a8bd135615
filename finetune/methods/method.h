// A few-shot method: what it needs, what can be set, and a fit that gives a classifier. One file a
// method, one row in method_table.cpp; commands, experiments, reports, help and docs go by the
// table, and no other file names a method.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/comm/comm.h"
#include "common/compute/device.h"
#include "finetune/methods/classifier.h"
#include "finetune/training/course.h"
#include "sweep/math/cache_model.h"

namespace clipsweep {

// What a method learns from: views, never copies. All rows are of unit length.
struct FewShot {
  at::Tensor text;                   // [C, D]
  at::Tensor keys;                   // [K, D], class by class
  std::vector<std::int32_t> labels;  // [K], rising; every class has a key
  std::vector<std::int64_t> start;   // [C + 1]: keys of class c are start[c] .. start[c + 1]
  double logit_scale = 100;
  double text_norm = 0;  // mean length of the text rows before they were made unit; 0: not known

  std::int64_t classes() const { return text.size(0); }
  std::int64_t width() const { return text.size(1); }
  std::int64_t count() const { return keys.size(0); }
  std::int64_t shots() const;  // keys of the largest class
};

// A number that a method can be told. Words are numbers too: places in `words`.
struct Setting {
  std::string name, help;
  std::function<double(const FewShot&)> value;  // the default
  std::string value_text;                       // as help and docs say it
  double low = 0, high = 0;                     // bounds, both allowed
  bool whole = false;
  std::vector<double> grid = {};  // what tuning tries; none: it is not tuned this way
  std::vector<std::string> words = {};
};
// Short ways to write one down.
Setting Real(std::string name, double value, double low, double high, std::string help);
Setting Whole(std::string name, std::int64_t value, std::int64_t low, std::int64_t high,
              std::string help);
Setting Word(std::string name, std::vector<std::string> words, std::string help);  // first: default
Setting Tuned(Setting setting, std::vector<double> grid);
// A default that depends on the problem.
Setting Depending(Setting setting, std::string value_text,
                  std::function<double(const FewShot&)> value);

using Settings = std::map<std::string, double>;

// Alpha of z + alpha S: tuned over the reals between two ends, every value counted at once.
struct ExactAlphaRange {
  bool used = false;
  double low = 0, high = 0;
};

struct MethodInfo {
  std::string name, title;  // "tip-adapter", "Tip-Adapter"
  std::string paper;        // authors, where, arXiv number
  std::string about;        // one sentence
  std::string tuned;        // in words, for the table; "" for nothing
  std::vector<Setting> settings;
  ExactAlphaRange alpha = {};
  bool trains = false;
  bool selects_epoch = false;  // validation images choose the epoch
  // An experiment has it anyway, by a stage of its own that shows more of it.
  bool of_every_study = false;
};

// What a fit has at hand besides the problem.
struct FitJob {
  const Compute& compute;
  Comm& comm;
  std::uint64_t seed = 1;
  const Queries* tune = nullptr;  // images that choose settings and epoch; none: defaults
  std::string tune_name;          // "val"
  StateStore* store = nullptr;    // of a training; none: nothing is saved
};

struct Fitted {
  std::unique_ptr<Classifier> classifier;
  Settings settings;               // all of them, as used
  std::vector<std::string> tuned;  // names of those that were chosen on job.tune
  std::vector<std::string> notes;  // what a user should know: sentences
  std::vector<EpochRecord> history;
  std::int64_t selected_epoch = 0;
  std::vector<double> step_seconds;
  TopCounts on_tune;  // at the chosen settings, where some were tuned
};

// z + alpha S for several settings at once, at each of which alpha is free.
class Residual {
 public:
  virtual ~Residual() = default;
  // The settings besides alpha of each point, in the order that ties are broken in.
  virtual std::vector<Settings> Points() const = 0;
  // features [N, D] -> z [N, C], and use(point, S [N, C]) for every point in turn.
  using Use = std::function<void(std::size_t point, const at::Tensor& s)>;
  virtual at::Tensor Z(const at::Tensor& features) const = 0;
  virtual void ForEachPoint(const at::Tensor& features, const Use& use) const = 0;
};

class Method {
 public:
  virtual ~Method() = default;
  virtual MethodInfo Info() const = 0;
  // Fits with all settings given. The same bits on any number of ranks and threads. Collective.
  // Throws AgreedError for input that the method cannot be fitted to.
  virtual Fitted Fit(const FewShot& problem, const Settings& settings, FitJob& job) const = 0;
  // For methods with a free alpha: the points of the grids of the settings in `open`, the others
  // as in `settings`. Else nullptr. On each rank alone.
  virtual std::unique_ptr<Residual> MakeResidual(const FewShot&, const Settings& /*settings*/,
                                                 const std::vector<Setting>& /*open*/,
                                                 const Compute&) const {
    return nullptr;
  }
};

// To a fit, what its training came to.
void TakeCourse(CourseResult done, Fitted& fitted);

// Fits with what is `fixed`; what is not is tuned on job.tune where the method has a grid for it,
// or takes its default. Collective. Throws UsageError, AgreedError.
Fitted FitMethod(const Method& method, const FewShot& problem, const Settings& fixed, FitJob& job);

// Every combination of the grids of `open`, the first setting outermost, on top of `settings`.
std::vector<Settings> GridOf(const Settings& settings, const std::vector<Setting>& open);

// "name=value" texts -> numbers, held against the method's settings. Throws UsageError naming the
// text; for an unknown name with the nearest one.
Settings ParseSettings(const MethodInfo& method, const std::vector<std::string>& texts);
// A setting's value as text: "5.5", or the word.
std::string SettingText(const Setting& setting, double value);

}  // namespace clipsweep
