#include "launch/experiment/plan.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "common/disk/output_lock.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "launch/experiment/checks.h"
#include "launch/experiment/stored_features.h"

namespace clipsweep {
namespace {

using What = PlannedStage::What;

bool Needs(const Stage& stage, const PlannedStage& earlier) {
  return std::find(stage.needs.begin(), stage.needs.end(), earlier.name) != stage.needs.end();
}

std::string WhyMade(const Stage& stage) {
  if (stage.if_present == IfPresent::kRecompute) return "--fresh";
  return std::filesystem::exists(stage.out.string() + ".parts")
             ? "was interrupted; what is saved is taken up"
             : "is not there";
}

// What a stage would do if no stage before it refused.
PlannedStage PlanAlone(const Stage& stage, const std::vector<PlannedStage>& before) {
  PlannedStage planned{stage.name, stage.out, What::kRuns, ""};
  Provenance now;
  try {
    RefuseLocked(stage.out);
    for (const PlannedStage& earlier : before) {
      if (!Needs(stage, earlier) || earlier.what == What::kKept) continue;
      const bool fresh = stage.if_present == IfPresent::kRecompute;
      planned.why =
          fresh ? "--fresh" : fmt::format("{} {}", earlier.name, PlannedName(earlier.what));
      return planned;
    }
    if (stage.same_as_before && stage.same_as_before()) {
      planned.what = What::kSameAsBefore;
      planned.why = "all keys are one subset, whatever the seed";
      return planned;
    }
    const bool looked_at =
        stage.if_present != IfPresent::kRecompute && std::filesystem::exists(stage.out);
    // All that the stage reads is there: what is wrong with it would stop the run.
    if (stage.made_from && (looked_at || !stage.needs.empty())) now = stage.made_from();
    if (!looked_at) {
      planned.why = WhyMade(stage);
      return planned;
    }
  } catch (const Error& error) {
    planned.what = What::kRefuses;
    planned.why = error.what();
    return planned;
  }
  try {
    if (stage.difference) {
      planned.why = stage.difference();
    } else {
      const H5Reader file(stage.out);
      CheckHeader(file, stage.format);
      planned.why = Difference(ReadProvenance(file), now);
    }
    if (planned.why.empty()) planned.what = What::kKept;
  } catch (const Error& error) {
    planned.why = error.what();
  }
  if (planned.what != What::kKept && stage.if_present == IfPresent::kReuse) {
    planned.what = What::kRefuses;
  }
  return planned;
}

// A run ends at the first stage that refuses; extractions further on are looked at all the same,
// so that all that would refuse are known at once.
PlannedStage PlanStage(const Stage& stage, const std::vector<PlannedStage>& before) {
  const auto refused = std::find_if(before.begin(), before.end(), [](const PlannedStage& earlier) {
    return earlier.what == What::kRefuses;
  });
  if (refused == before.end()) return PlanAlone(stage, before);
  if (stage.if_present == IfPresent::kReuse) {
    PlannedStage planned = PlanAlone(stage, before);
    if (planned.what == What::kRefuses) return planned;
  }
  return {stage.name, stage.out, What::kBlocked, refused->name + " refuses"};
}

// Lists in a folder of their own, for as long as a plan needs them.
class TemporaryLists {
 public:
  explicit TemporaryLists(ExperimentData& data) {
    std::string name = (std::filesystem::temp_directory_path() / "clipsweep-lists-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
      throw InputError(fmt::format("{}: cannot be made; set TMPDIR", name));
    }
    folder_ = name;
    data.MoveFiles(folder_);
    data.Write();
  }
  ~TemporaryLists() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  TemporaryLists(const TemporaryLists&) = delete;
  TemporaryLists& operator=(const TemporaryLists&) = delete;

 private:
  std::filesystem::path folder_;
};

// `only`: stages whose name begins so.
std::vector<PlannedStage> PlanStages(const ExperimentConfig& config, const ExperimentData& data,
                                     const Compute& compute, const std::string& only = "") {
  std::vector<PlannedStage> plan;
  ExperimentResult unused;
  for (const Stage& stage : MakeStages(config, data, compute, unused)) {
    if (stage.name.starts_with(only)) plan.push_back(PlanStage(stage, plan));
  }
  return plan;
}

std::vector<PlannedStage> PlanFromFeatures(const ExperimentConfig& config, const Compute& compute) {
  CheckStoredFeatures(config);
  return PlanStages(config, {}, compute);
}

std::vector<PlannedStage> PlanFromImages(const ExperimentConfig& config, const Compute& compute) {
  ExperimentData data = ReadExperimentData(config);
  const auto model = CheckModel(config, compute);
  const TemporaryLists lists(data);
  CheckPictures(config, data.train.images, data.train.list);
  if (!config.tune_on_test()) CheckPictures(config, data.val.images, data.val.list);
  CheckPictures(config, data.test.images, data.test.list);
  CheckImages(config, data);
  return PlanStages(config, data, compute);
}

}  // namespace

std::string Refusals(const std::vector<PlannedStage>& plan) {
  std::vector<std::string> refused, names;
  bool is_there = false;
  for (const PlannedStage& stage : plan) {
    if (stage.what != What::kRefuses) continue;
    const std::string out = stage.out.string();
    refused.push_back(stage.why.starts_with(out) ? stage.why : out + ": " + stage.why);
    names.push_back(stage.out.stem().string());
    is_there |= std::filesystem::exists(stage.out);
  }
  if (refused.empty()) return "";
  std::string text = Printable(fmt::format("{}", fmt::join(refused, "; ")));
  if (is_there) {
    text +=
        fmt::format("; give --fresh {} to make that and what stands on it again, or another --run",
                    fmt::join(names, ","));
  }
  return text;
}

void CheckKept(const ExperimentConfig& config, const ExperimentData& data, const Compute& compute) {
  ExperimentData looked_at = data;
  std::optional<TemporaryLists> lists;
  if (!data.OnDisk()) lists.emplace(looked_at);
  CheckImages(config, looked_at);
  const std::string refusals = Refusals(PlanStages(config, looked_at, compute, "extract"));
  if (refusals.empty()) return;
  const bool held_out = config.split.empty() && config.val.empty() && !config.tune_on_test();
  throw InputError(
      fmt::format("{}{}", refusals,
                  held_out ? " (shots, seed, val and tune decide which images are held out)" : ""));
}

const char* PlannedName(What what) {
  constexpr const char* kNames[] = {"kept", "runs", "refuses", "blocked", "same"};
  return kNames[static_cast<std::size_t>(what)];
}

std::vector<PlannedStage> PlanExperiment(const ExperimentConfig& asked, const Compute& compute,
                                         Comm& comm) {
  CheckExperiment(asked, comm);
  ExperimentConfig config = asked;
  TakeStoredFeatures(config, comm);
  std::vector<PlannedStage> plan;
  Agree(comm, [&] {
    if (!comm.is_root()) return;
    RefuseLocked(config.run / "results.json");
    plan =
        config.has_features() ? PlanFromFeatures(config, compute) : PlanFromImages(config, compute);
  });
  return plan;
}

}  // namespace clipsweep
