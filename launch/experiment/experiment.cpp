#include "launch/experiment/experiment.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>

#include "common/class_names.h"
#include "common/error.h"
#include "common/log.h"
#include "launch/experiment/data.h"
#include "launch/experiment/stage_clock.h"
#include "launch/experiment/stages.h"

namespace clipsweep {
namespace {

std::vector<MethodRow> MakeRows(const ExperimentConfig& config, const ExperimentResult& result) {
  const auto fraction = [](std::int64_t right, std::int64_t samples) {
    return static_cast<double>(right) / static_cast<double>(samples);
  };
  std::vector<MethodRow> rows;
  for (const Evaluation& done : result.evaluations) {
    if (done.shots != 0) continue;
    rows.push_back({done.method,
                    done.templates,
                    0,
                    {fraction(done.summary.top1, done.summary.samples)},
                    {fraction(done.summary.top5, done.summary.samples)}});
  }
  const auto add = [&](const std::string& method, const auto& counts_of) {
    for (const std::int64_t shots : config.shots) {
      MethodRow row{method, TemplatesLabel(config.templates), shots, {}, {}};
      for (std::size_t i = 0; i < result.cells.size(); ++i) {
        if (result.cells[i].shots != shots) continue;
        if (shots == result.most_keys && !row.top1.empty()) break;  // one subset, not one a seed
        const TopCounts counts = counts_of(i);
        row.top1.push_back(fraction(counts.top1, result.test_samples));
        row.top5.push_back(fraction(counts.top5, result.test_samples));
      }
      rows.push_back(std::move(row));
    }
  };
  add("Tip-Adapter", [&](std::size_t i) { return result.cells[i].test; });
  add("Tip-Adapter-F", [&](std::size_t i) { return result.adapters[i].test; });
  return rows;
}

// What a stage would do, given what those before it do.
PlannedStage Plan(const Stage& stage, const std::vector<PlannedStage>& before) {
  using What = PlannedStage::What;
  PlannedStage planned{stage.name, stage.out, What::kRuns, ""};
  for (const PlannedStage& earlier : before) {
    if (earlier.what != What::kRefuses) continue;
    planned.what = What::kBlocked;
    planned.why = earlier.name + " refuses";
    return planned;
  }
  if (stage.if_present == IfPresent::kRecompute) {
    planned.why = "--fresh";
    return planned;
  }
  for (const PlannedStage& earlier : before) {
    const bool needed =
        std::find(stage.needs.begin(), stage.needs.end(), earlier.name) != stage.needs.end();
    if (!needed || earlier.what == What::kKept) continue;
    planned.why = fmt::format("{} {}", earlier.name, PlannedName(earlier.what));
    return planned;
  }
  if (stage.same_as_before && stage.same_as_before()) {
    planned.what = What::kSameAsBefore;
    planned.why = "all keys are one subset, whatever the seed";
    return planned;
  }
  if (!std::filesystem::exists(stage.out)) {
    planned.why = std::filesystem::exists(stage.out.string() + ".parts")
                      ? "was interrupted; what is saved is taken up"
                      : "is not there";
    return planned;
  }
  try {
    const H5Reader file(stage.out);
    CheckHeader(file, stage.format);
    planned.why = Difference(ReadProvenance(file), stage.made_from());
    if (planned.why.empty()) planned.what = What::kKept;
  } catch (const Error& error) {
    planned.why = error.what();
  }
  if (planned.what != What::kKept && stage.if_present == IfPresent::kReuse) {
    planned.what = What::kRefuses;
  }
  return planned;
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

std::vector<PlannedStage> PlanStages(const ExperimentConfig& config, ExperimentData data,
                                     const Compute& compute, const std::string& only = "") {
  const TemporaryLists lists(data);
  CheckImages(config, data);
  std::vector<PlannedStage> plan;
  ExperimentResult unused;
  for (const Stage& stage : MakeStages(config, data, compute, unused)) {
    if (stage.name.starts_with(only)) plan.push_back(Plan(stage, plan));
  }
  return plan;
}

// New lists replace those of the run only when its features will be taken with them.
void WriteLists(const ExperimentConfig& config, const ExperimentData& data,
                const Compute& compute) {
  if (data.OnDisk()) {
    CheckImages(config, data);
    return;
  }
  for (const PlannedStage& stage : PlanStages(config, data, compute, "extract")) {
    if (stage.what != PlannedStage::What::kRefuses) continue;
    throw InputError(
        fmt::format("{}: exists and was made otherwise (shots, seed, val and tune decide which "
                    "images are held out): {}; give another --run, or --fresh to replace it",
                    stage.out.string(), Printable(stage.why)));
  }
  data.Write();
}

}  // namespace

void CheckExperiment(const ExperimentConfig& config, Comm& comm) {
  Agree(comm, [&] {
    if (config.tune != "val" && config.tune != "test") {
      throw UsageError(
          fmt::format("--tune: '{}' is none; use val or test", Printable(config.tune)));
    }
    ParseAxis(config.alpha, "--alpha");
    ParseAxis(config.beta, "--beta");
    FinetuneConfig training;
    training.epochs = config.epochs;
    training.batch = config.batch;
    training.lr = config.lr;
    CheckFinetuneNumbers(training);
    ReadTemplates(config.templates);
    for (const std::string& spec : config.compare_templates) {
      try {
        ReadTemplates(spec);
      } catch (const Error& error) {
        throw Error(error.code(), std::string("--compare-templates: ") + error.what());
      }
    }
    if (config.classnames.empty()) return;
    const ClassNames names = ReadClassNames(config.classnames);
    if (comm.is_root()) WarnOfSharedNames(config.classnames, names);
  });
}

ExperimentResult RunExperiment(const ExperimentConfig& config, const Compute& compute, Comm& comm,
                               const std::function<void(const ExperimentResult&)>& stage_done) {
  CheckExperiment(config, comm);
  ExperimentData data;
  ExperimentResult result;
  std::vector<Stage> stages;
  Agree(comm, [&] {
    data = ReadExperimentData(config);
    if (!data.train.list.empty()) result.left_out["train"] = data.left_out;
    if (comm.is_root()) {
      for (const std::string& line : data.left_out.Lines()) {
        LogWarning("{}: {}", Printable(config.train.string()), line);
      }
      WriteLists(config, data, compute);
    }
    stages = MakeStages(config, data, compute, result);
  });
  for (const Stage& stage : stages) {
    StageTime about{stage.name, stage.unit, false, false, stage.shared_work, {}};
    bool same = false;
    Agree(comm, [&] {
      same = stage.same_as_before && stage.same_as_before();
      about.resumed = std::filesystem::exists(stage.out.string() + ".parts");
    });
    if (same) {
      result.adapters.push_back(result.adapters.back());
      continue;
    }
    result.files.push_back(stage.out);
    StageClock clock(about);
    const bool reused = stage.run(comm);
    result.stages.push_back(clock.Stop(reused, comm));
    LogInfo("{}: {}{}", stage.name, stage.out.string(), reused ? ", up to date" : "");
    Agree(comm, [&] {
      if (comm.is_root()) stage_done(result);
    });
  }
  result.rows = MakeRows(config, result);
  return result;
}

const char* PlannedName(PlannedStage::What what) {
  constexpr const char* kNames[] = {"kept", "runs", "refuses", "blocked", "same"};
  return kNames[static_cast<std::size_t>(what)];
}

std::vector<PlannedStage> PlanExperiment(const ExperimentConfig& config, const Compute& compute,
                                         Comm& comm) {
  CheckExperiment(config, comm);
  std::vector<PlannedStage> plan;
  Agree(comm, [&] {
    if (comm.is_root()) plan = PlanStages(config, ReadExperimentData(config), compute);
  });
  return plan;
}

}  // namespace clipsweep
