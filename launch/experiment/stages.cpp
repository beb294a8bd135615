#include "launch/experiment/stages.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <map>

#include "common/error.h"
#include "common/feature_file.h"
#include "common/log.h"
#include "common/text_file.h"
#include "extract/extract_job.h"
#include "extract/shard_encoder.h"
#include "extract/text_job.h"
#include "finetune/evaluate_job.h"
#include "finetune/finetune_plan.h"
#include "sweep/sweep_plan.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;

// What stages keep when the table that made them is gone.
struct Context {
  const Compute& compute;
  ExperimentResult& result;
};

// What is cheap and made from other input is replaced. An extraction, which may have cost hours,
// refuses, so that a typing error does not throw features away.
class StageTable {
 public:
  StageTable(const ExperimentConfig& config, const ExperimentData& data, const Compute& compute,
             ExperimentResult& result)
      : config_(config), data_(data), at_{compute, result} {}

  std::vector<Stage> Make() {
    CheckLabels();
    AddExtract("train", data_.train);
    if (!config_.tune_on_test()) AddExtract("val", data_.val);
    AddExtract("test", data_.test);
    for (const std::string& spec : AllTemplates()) AddText(spec);
    AddSweep();
    for (const std::int64_t shots : config_.shots) {
      for (const std::int64_t seed : config_.seeds) AddFinetune(shots, seed);
    }
    for (const std::string& spec : AllTemplates()) AddZeroShot(spec);
    for (std::size_t s = 0; s < config_.shots.size(); ++s) AddTip(s);
    for (std::size_t s = 0; s < config_.shots.size(); ++s) AddAdapter(s);
    return std::move(stages_);
  }

 private:
  // What the few-shot methods use comes first.
  std::vector<std::string> AllTemplates() const {
    std::vector<std::string> all = {config_.templates};
    for (const std::string& spec : config_.compare_templates) {
      if (std::find(all.begin(), all.end(), spec) == all.end()) all.push_back(spec);
    }
    return all;
  }
  void CheckLabels() const {
    std::map<std::string, std::string> spec_of;
    for (const std::string& spec : AllTemplates()) {
      const auto [known, is_new] = spec_of.emplace(TemplatesLabel(spec), spec);
      if (!is_new) {
        throw UsageError(
            fmt::format("--templates, --compare-templates: {} and {} would be one file; rename one",
                        Printable(known->second), Printable(spec)));
      }
    }
  }
  std::string TextStage(const std::string& spec) const {
    return spec == config_.templates ? "text" : "text " + TemplatesLabel(spec);
  }
  fs::path TextFile(const std::string& spec) const {
    return config_.run / (spec == config_.templates
                              ? "text.h5"
                              : fmt::format("text-{}.h5", TemplatesLabel(spec)));
  }
  fs::path File(const char* name) const { return config_.run / name; }
  IfPresent Derived() const {
    return config_.fresh ? IfPresent::kRecompute : IfPresent::kReplaceIfOther;
  }
  // "test", or what is extracted to choose alpha, beta and epoch.
  std::vector<std::string> Needs(std::vector<std::string> needs) const {
    needs.insert(needs.end(), {"extract test", "text"});
    if (!config_.tune_on_test()) needs.push_back("extract val");
    return needs;
  }

  void AddExtract(const std::string& split, const ExperimentData::Split& source) {
    ExtractConfig job;
    job.model = config_.model;
    job.images = source.images;
    job.list = source.list;
    job.classnames = data_.classnames;
    job.out = config_.run / (split + ".h5");
    if (split == "train") job.views = config_.views;
    job.seed = static_cast<std::uint64_t>(config_.seed);
    job.skip_bad_images = config_.skip_bad_images;
    job.max_bad = config_.max_bad;
    if (config_.fresh) job.if_present = IfPresent::kRecompute;
    stages_.push_back({"extract " + split,
                       "images",
                       job.out,
                       kFeatureFormat,
                       job.if_present,
                       {},
                       {},
                       [at = at_, job] { return ExtractProvenance(job, at.compute); },
                       [at = at_, job, split](Comm& comm) {
                         const ExtractResult done = RunExtract(job, at.compute, comm);
                         at.result.classes = done.classes;
                         at.result.duplicates[job.out.filename().string()] = done.duplicates;
                         if (job.list.empty()) at.result.left_out[split] = done.left_out;
                         return done.reused_output;
                       }});
  }

  void AddText(const std::string& spec) {
    TextConfig job;
    job.model = config_.model;
    job.classnames = data_.classnames;
    job.templates = spec;
    job.out = TextFile(spec);
    job.if_present = Derived();
    stages_.push_back(
        {TextStage(spec),
         "classes",
         job.out,
         kTextFormat,
         job.if_present,
         {},
         {},
         [at = at_, job] { return TextProvenance(job, at.compute); },
         [at = at_, job](Comm& comm) { return RunText(job, at.compute, comm).reused_output; }});
  }

  void AddSweep() {
    SweepConfig job;
    job.cache = File("train.h5");
    job.features = File("test.h5");
    job.text = File("text.h5");
    job.out = File("sweep.h5");
    job.resume = !config_.fresh;
    job.alpha = config_.alpha;
    job.beta = config_.beta;
    job.tune_on = config_.tune_on_test() ? "test" : File("val.h5").string();
    job.shots = config_.shots;
    job.seeds = config_.seeds;
    job.allowed = config_.allowed;
    job.if_present = Derived();
    stages_.push_back({"sweep",
                       "samples",
                       job.out,
                       kSweepFormat,
                       job.if_present,
                       Needs({"extract train"}),
                       {},
                       [at = at_, job] { return SweepProvenance(job, at.compute); },
                       [at = at_, job](Comm& comm) {
                         const SweepResult swept = RunSweep(job, at.compute, comm);
                         at.result.cells = swept.cells;
                         at.result.test_samples = swept.test_samples;
                         at.result.tuned_on = swept.tuned_on;
                         at.result.most_keys = swept.most_keys;
                         at.result.oddities.Add(swept.oddities);
                         return swept.reused_output;
                       }});
  }

  void AddFinetune(std::int64_t shots, std::int64_t seed) {
    FinetuneConfig job;
    job.cache = File("train.h5");
    job.features = File("test.h5");
    job.text = File("text.h5");
    job.sweep = File("sweep.h5");
    job.shots = shots;
    job.subset_seed = seed;
    job.epochs = config_.epochs;
    job.batch = config_.batch;
    job.lr = config_.lr;
    job.seed = config_.seed;
    job.select = config_.tune_on_test() ? Select::kTest : Select::kVal;
    if (!config_.tune_on_test()) job.val = File("val.h5");
    job.out = AdapterFile(shots, seed);
    job.allowed = config_.allowed;
    job.if_present = Derived();
    job.resume = !config_.fresh;
    Stage stage{fmt::format("finetune {}-shot seed {}", shots, seed),
                "samples",
                job.out,
                kAdapterFormat,
                job.if_present,
                Needs({"extract train", "sweep"}),
                {},
                [at = at_, job] { return FinetuneProvenance(job, at.compute); },
                [at = at_, job](Comm& comm) {
                  at.result.adapters.push_back(RunFinetune(job, at.compute, comm));
                  at.result.oddities.Add(at.result.adapters.back().oddities);
                  return at.result.adapters.back().reused_output;
                },
                /*shared_work=*/true};
    if (seed != config_.seeds.front()) {
      stage.same_as_before = [shots, sweep = job.sweep] {
        return ReadSweepFile(sweep).most_keys == shots;
      };
    }
    stages_.push_back(std::move(stage));
  }

  fs::path AdapterFile(std::int64_t shots, std::int64_t seed) const {
    return config_.run / fmt::format("adapter-{}shot-seed{}.h5", shots, seed);
  }

  // `complete` fills in what is known only once the stages before have run.
  void AddEvaluation(const std::string& name, const std::string& method, const std::string& spec,
                     std::int64_t shots, const EvaluateConfig& job, std::vector<std::string> needs,
                     const std::function<void(EvaluateConfig&)>& complete) {
    stages_.push_back(
        {"evaluate " + name,
         "images",
         job.out,
         kPredictionFormat,
         job.if_present,
         std::move(needs),
         {},
         [job, complete] {
           EvaluateConfig whole = job;
           complete(whole);
           return EvaluateProvenance(whole);
         },
         [at = at_, job, complete, method, spec, shots](Comm& comm) {
           EvaluateConfig whole = job;
           Agree(comm, [&] { complete(whole); });
           const bool reused = RunEvaluate(whole, at.compute, comm).reused_output;
           Evaluation& done = at.result.evaluations.emplace_back();
           done = {method, TemplatesLabel(spec), shots, job.out, {}};
           Agree(comm, [&] { done.summary = SummarizePredictions(ReadPredictionFile(job.out)); });
           return reused;
         }});
  }

  EvaluateConfig Evaluate(const std::string& spec, const std::string& file) const {
    EvaluateConfig job;
    job.features = File("test.h5");
    job.text = TextFile(spec);
    job.out = config_.run / file;
    job.allowed = config_.allowed;
    job.if_present = Derived();
    return job;
  }

  void AddZeroShot(const std::string& spec) {
    const std::string label = TemplatesLabel(spec);
    AddEvaluation("zero-shot " + label, "zero-shot", spec, 0,
                  Evaluate(spec, fmt::format("predictions-zeroshot-{}.h5", label)),
                  {"extract test", TextStage(spec)}, [](EvaluateConfig&) {});
  }

  void AddTip(std::size_t place) {
    const std::int64_t shots = config_.shots[place];
    EvaluateConfig job =
        Evaluate(config_.templates, fmt::format("predictions-tip-adapter-{}shot.h5", shots));
    job.cache = File("train.h5");
    job.shots = shots;
    job.subset_seed = config_.seeds.front();
    const std::size_t cell = place * config_.seeds.size();
    AddEvaluation(
        fmt::format("Tip-Adapter {}-shot", shots), "Tip-Adapter", config_.templates, shots, job,
        {"extract train", "extract test", "text", "sweep"},
        [cell, sweep = File("sweep.h5")](EvaluateConfig& whole) {
          const std::vector<SweepCell> cells = ReadSweepFile(sweep).cells;
          if (cell >= cells.size()) {
            throw InputError(fmt::format("{}: has no cell {}; sweep again", sweep.string(), cell));
          }
          whole.alpha = cells[cell].alpha;
          whole.beta = cells[cell].beta;
        });
  }

  void AddAdapter(std::size_t place) {
    const std::int64_t shots = config_.shots[place];
    EvaluateConfig job =
        Evaluate(config_.templates, fmt::format("predictions-tip-adapter-f-{}shot.h5", shots));
    job.adapter = AdapterFile(shots, config_.seeds.front());
    AddEvaluation(fmt::format("Tip-Adapter-F {}-shot", shots), "Tip-Adapter-F", config_.templates,
                  shots, job,
                  {"extract test", "text",
                   fmt::format("finetune {}-shot seed {}", shots, config_.seeds.front())},
                  [](EvaluateConfig&) {});
  }

  const ExperimentConfig& config_;
  const ExperimentData& data_;
  const Context at_;
  std::vector<Stage> stages_;
};

}  // namespace

std::string TemplatesLabel(const std::string& spec) {
  std::string label = fs::path(spec).stem().string();
  for (char& c : label) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '-' && c != '_') c = '-';
  }
  return label;
}

std::vector<Stage> MakeStages(const ExperimentConfig& config, const ExperimentData& data,
                              const Compute& compute, ExperimentResult& result) {
  return StageTable(config, data, compute, result).Make();
}

}  // namespace clipsweep
