#include "launch/experiment.h"

#include <fmt/core.h>

#include <chrono>
#include <cmath>
#include <map>
#include <numeric>

#include "common/class_names.h"
#include "common/error.h"
#include "common/log.h"
#include "extract/extract_job.h"
#include "extract/text_job.h"

namespace clipsweep {
namespace {

class StageClock {
 public:
  explicit StageClock(ExperimentResult& result) : result_(result) {}
  template <typename Work>
  auto Time(const std::string& stage, const Work& work) {
    const auto started = std::chrono::steady_clock::now();
    auto out = work();
    result_.stage_seconds.emplace_back(
        stage, std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count());
    return out;
  }

 private:
  ExperimentResult& result_;
};

double Fraction(std::int64_t right, std::int64_t samples) {
  return static_cast<double>(right) / static_cast<double>(samples);
}

std::vector<MethodRow> MakeRows(const ExperimentConfig& config, const ExperimentResult& result) {
  std::vector<MethodRow> rows;
  rows.push_back({"zero-shot",
                  0,
                  {Fraction(result.zero_shot.top1, result.test_samples)},
                  {Fraction(result.zero_shot.top5, result.test_samples)}});
  const auto add = [&](const std::string& method, const auto& counts_of) {
    for (const std::int64_t shots : config.shots) {
      MethodRow row{method, shots, {}, {}};
      for (std::size_t i = 0; i < result.cells.size(); ++i) {
        if (result.cells[i].shots != shots) continue;
        if (shots == result.most_keys && !row.top1.empty()) break;  // one subset, not one a seed
        const TopCounts counts = counts_of(i);
        row.top1.push_back(Fraction(counts.top1, result.test_samples));
        row.top5.push_back(Fraction(counts.top5, result.test_samples));
      }
      rows.push_back(std::move(row));
    }
  };
  add("Tip-Adapter", [&](std::size_t i) { return result.cells[i].test; });
  add("Tip-Adapter-F", [&](std::size_t i) { return result.adapters[i].test; });
  return rows;
}

}  // namespace

// The files after the extraction are cheap: those made from other input are replaced. The
// extraction, which may have cost hours, still refuses, so that a typing error does not throw
// features away.
ExperimentResult RunExperiment(const ExperimentConfig& config, const Compute& compute, Comm& comm) {
  if (config.tune != "val" && config.tune != "test") {
    throw UsageError(fmt::format("--tune: '{}' is none; use val or test", Printable(config.tune)));
  }
  const bool tune_on_test = config.tune == "test";
  if (!tune_on_test && config.val.empty()) {
    throw UsageError("--val: give a folder of validation images, or --tune test");
  }
  // What would fail hours later fails now.
  Agree(comm, [&] {
    ParseAxis(config.alpha, "--alpha");
    ParseAxis(config.beta, "--beta");
    ReadTemplates(config.templates);
    ReadClassNames(config.classnames);
  });
  const IfPresent derived = config.fresh ? IfPresent::kRecompute : IfPresent::kReplaceIfOther;
  ExperimentResult result;
  StageClock clock(result);

  const auto extract = [&](const std::string& split, const std::filesystem::path& images) {
    ExtractConfig job;
    job.model = config.model;
    job.images = images;
    job.classnames = config.classnames;
    job.out = config.run / (split + ".h5");
    if (split == "train") job.views = config.views;
    job.seed = static_cast<std::uint64_t>(config.seed);
    job.skip_bad_images = config.skip_bad_images;
    job.max_bad = config.max_bad;
    if (config.fresh) job.if_present = IfPresent::kRecompute;
    const ExtractResult done =
        clock.Time("extract " + split, [&] { return RunExtract(job, compute, comm); });
    LogInfo("{}: {} images{}", job.out.string(), done.images,
            done.reused_output ? ", up to date" : "");
    return done;
  };
  result.classes = extract("train", config.train).classes;
  if (!tune_on_test) extract("val", config.val);
  extract("test", config.test);

  TextConfig text;
  text.model = config.model;
  text.classnames = config.classnames;
  text.templates = config.templates;
  text.out = config.run / "text.h5";
  text.if_present = derived;
  clock.Time("text", [&] { return RunText(text, compute, comm); });

  SweepConfig sweep;
  sweep.cache = config.run / "train.h5";
  sweep.features = config.run / "test.h5";
  sweep.text = text.out;
  sweep.out = config.run / "sweep.h5";
  sweep.resume = !config.fresh;
  sweep.alpha = config.alpha;
  sweep.beta = config.beta;
  sweep.tune_on = tune_on_test ? "test" : (config.run / "val.h5").string();
  sweep.shots = config.shots;
  sweep.seeds = config.seeds;
  sweep.if_present = derived;
  const SweepResult swept = clock.Time("sweep", [&] { return RunSweep(sweep, compute, comm); });
  result.cells = swept.cells;
  result.zero_shot = swept.zero_shot;
  result.test_samples = swept.test_samples;
  result.tuned_on = swept.tuned_on;
  result.most_keys = swept.most_keys;

  result.adapters = clock.Time("finetune", [&] {
    std::vector<FinetuneResult> adapters;
    for (const SweepCell& cell : swept.cells) {
      // All keys are the same subset for every seed: trained once.
      if (cell.shots == swept.most_keys && !adapters.empty() &&
          adapters.back().shots == cell.shots) {
        adapters.push_back(adapters.back());
        continue;
      }
      FinetuneConfig job;
      job.cache = sweep.cache;
      job.features = sweep.features;
      job.text = text.out;
      job.sweep = sweep.out;
      job.shots = cell.shots;
      job.subset_seed = cell.seed;
      job.epochs = config.epochs;
      job.batch = config.batch;
      job.lr = config.lr;
      job.seed = config.seed;
      job.select = tune_on_test ? Select::kTest : Select::kVal;
      if (!tune_on_test) job.val = config.run / "val.h5";
      job.out = config.run / fmt::format("adapter-{}shot-seed{}.h5", cell.shots, cell.seed);
      job.if_present = derived;
      job.resume = !config.fresh;
      adapters.push_back(RunFinetune(job, compute, comm));
    }
    return adapters;
  });
  result.rows = MakeRows(config, result);
  return result;
}

}  // namespace clipsweep
