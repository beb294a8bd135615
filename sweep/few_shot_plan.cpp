#include "sweep/few_shot_plan.h"

#include <fmt/core.h>

#include <algorithm>

#include "common/compute/random.h"
#include "common/process/error.h"
#include "common/process/log.h"

namespace clipsweep {
namespace {

constexpr std::int64_t kMostHeldOut = 4;
constexpr std::uint64_t kSplitStream = 0x73706c69;

// Takes images out of the cache's classes to tune on; they are keys of no subset. Returns their
// rows and fills tune.labels.
std::vector<std::int64_t> HoldOutForTuning(const QuerySources& from, FewShotInputs& inputs,
                                           Queries& tune) {
  const std::int64_t shots = from.most_shots == 0 ? kMostHeldOut : from.most_shots;
  std::vector<std::int64_t> held_out;
  for (std::size_t c = 0; c < inputs.rows_by_class.size(); ++c) {
    std::vector<std::int64_t>& rows = inputs.rows_by_class[c];
    const auto held =
        static_cast<std::size_t>(HeldOutOfClass(static_cast<std::int64_t>(rows.size()), shots));
    if (held == 0) {
      throw InputError(fmt::format(
          "{}: class '{}' has one image, too few for --tune-on split; give a feature file",
          inputs.cache_name, Printable(inputs.classes[c])));
    }
    std::vector<std::int64_t> order = rows;
    Random(from.split_seed, kSplitStream, c).Shuffle(order);
    order.resize(held);
    std::erase_if(rows, [&](std::int64_t row) {
      return std::find(order.begin(), order.end(), row) != order.end();
    });
    held_out.insert(held_out.end(), order.begin(), order.end());
  }
  std::sort(held_out.begin(), held_out.end());
  for (const std::int64_t row : held_out) {
    tune.labels.push_back(inputs.cache_model.key_labels[static_cast<std::size_t>(row)]);
  }
  return held_out;
}

void ReadTuning(const QuerySources& from, FewShotPlan& plan) {
  plan.tuned_on = from.tune.kind;
  if (from.tune.kind == TunedOn::kNone) return;
  if (from.tune.kind != TunedOn::kVal) {
    const bool on_test = from.tune.kind == TunedOn::kTest;
    plan.made_from["tune_sha256"] = plan.made_from[on_test ? "features_sha256" : "cache_sha256"];
    if (on_test) return;
    plan.made_from["split_seed"] = std::to_string(from.split_seed);
    plan.held_out = HoldOutForTuning(from, plan.inputs, plan.tune);
    return;
  }
  plan.tune_file.emplace(from.tune.features);
  const FeatureSet& tune = plan.tune_file->about();
  plan.made_from["tune_sha256"] = tune.content_sha256;
  const bool may_overlap = from.allowed.overlap;
  if (tune.content_sha256 == plan.made_from["cache_sha256"] && !may_overlap) {
    throw InputError(
        fmt::format("{}: --tune-on holds the cache's own images, which are their own nearest "
                    "keys; give others, or --tune-on split",
                    from.tune.features.string()));
  }
  if (plan.test_file && tune.content_sha256 == plan.test_file->about().content_sha256) {
    if (may_overlap) {
      plan.tuned_on = TunedOn::kTest;  // whatever it was given as
      plan.tune_file.reset();
      return;
    }
    throw InputError(fmt::format(
        "{}: --tune-on holds the same images as --features; give other images, or --tune-on test",
        from.tune.features.string()));
  }
  NoteClasses(plan.inputs, tune, "tune_classes_sha256", plan.made_from);
  plan.tune = LoadQueries(plan.inputs, tune, "val");
}

}  // namespace

TuneOn ParseTuneOn(const std::string& text) {
  if (text.empty()) return {};
  if (text == "test") return {TunedOn::kTest, {}};
  if (text == "split") return {TunedOn::kSplit, {}};
  return {TunedOn::kVal, text};
}

std::int64_t HeldOutOfClass(std::int64_t images, std::int64_t shots) {
  return std::min({shots, kMostHeldOut, images / 2});
}

void ReadQueries(const QuerySources& from, FewShotPlan& plan) {
  plan.made_from.insert(plan.inputs.made_from.begin(), plan.inputs.made_from.end());
  if (!from.features.empty()) {
    plan.test_file.emplace(from.features);
    const FeatureSet& test = plan.test_file->about();
    plan.made_from["features_sha256"] = test.content_sha256;
    NoteClasses(plan.inputs, test, "features_classes_sha256", plan.made_from);
    plan.test = LoadQueries(plan.inputs, test, "features");
  }
  ReadTuning(from, plan);
  RequireTogether(plan.inputs, from.allowed, plan.made_from);
}

void LoadQueryFeatures(FewShotPlan& plan) {
  if (plan.tune_file) LoadFeatures(*plan.tune_file, plan.tune);
  if (plan.test_file) LoadFeatures(*plan.test_file, plan.test);
}

}  // namespace clipsweep
