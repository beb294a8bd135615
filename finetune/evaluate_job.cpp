#include "finetune/evaluate_job.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>

#include "common/comm/message.h"
#include "common/compute/tensors.h"
#include "common/compute/workers.h"
#include "common/files/prediction_file.h"
#include "common/files/stage_output.h"
#include "common/process/error.h"
#include "common/process/liveness.h"
#include "finetune/methods/classifier.h"
#include "finetune/methods/tuning.h"
#include "sweep/inputs.h"

namespace clipsweep {
namespace {

// Images of one product: fixed, so that logits do not depend on ranks or threads.
constexpr std::int64_t kBlock = 256;

// One of the `top` classes of an image.
struct Answer {
  std::int32_t class_index;
  float probability;
};

struct EvaluatePlan {
  FewShotInputs inputs;
  Queries test;
  ClassifierData data;  // of a file; else empty
  std::unique_ptr<Classifier> classifier;
  std::int64_t top = 0;
  Provenance made_from;
  std::optional<FeatureReader> test_file;  // whose features are still to be read
};

// The untrained keys of a subset, or none at all.
std::unique_ptr<Classifier> Untrained(const EvaluateConfig& config, const FewShotInputs& inputs) {
  const CacheModel& model = inputs.cache_model;
  const auto rows = [&](const std::vector<float>& values) {
    return at::from_blob(const_cast<float*>(values.data()),
                         {static_cast<std::int64_t>(values.size()) / model.width, model.width},
                         at::kFloat)
        .clone();
  };
  KernelParts parts;
  parts.text = rows(model.text);
  if (config.cache.empty()) {
    return std::make_unique<LinearClassifier>(parts.text * model.logit_scale, at::Tensor());
  }
  parts.scale = model.logit_scale;
  parts.alpha = config.alpha;
  parts.beta = config.beta;
  const Subset subset =
      MakeSubset(inputs, config.shots, static_cast<std::uint64_t>(config.subset_seed));
  std::vector<float> keys;
  for (std::size_t c = 0; c < subset.rows_by_class.size(); ++c) {
    for (const std::int64_t row : subset.rows_by_class[c]) {
      keys.insert(keys.end(), model.Key(row), model.Key(row) + model.width);
      parts.class_index.push_back(static_cast<std::int32_t>(c));
    }
  }
  parts.keys = rows(keys);
  return std::make_unique<KernelClassifier>(std::move(parts));
}

// The classes and width of a classifier file, for features to be held against.
void PlanWithClassifier(const EvaluateConfig& config, EvaluatePlan& plan) {
  plan.data = ReadClassifier(config.classifier);
  plan.classifier = MakeClassifier(config.classifier, plan.data);
  plan.inputs.classes = plan.data.classes;
  plan.inputs.cache_name = config.classifier.string();
  plan.inputs.cache_model.width = plan.data.width;
  plan.inputs.cache_model.classes = static_cast<std::int64_t>(plan.data.classes.size());
  plan.inputs.files = {{"adapter", config.classifier, plan.data.made_from}};
  plan.made_from["classifier_sha256"] = plan.data.seal;
}

EvaluatePlan MakeEvaluatePlan(const EvaluateConfig& config) {
  EvaluatePlan plan;
  plan.test_file.emplace(config.features);
  const FeatureSet& features = plan.test_file->about();
  const bool has_cache = !config.cache.empty();
  if (!config.classifier.empty()) {
    PlanWithClassifier(config, plan);
  } else {
    plan.inputs =
        LoadInputs(config.text, has_cache ? FeatureReader(config.cache).about() : features,
                   has_cache ? "cache" : "features", config.allowed);
    plan.made_from = plan.inputs.made_from;
  }
  plan.made_from["features_sha256"] = features.content_sha256;
  plan.made_from["device_kind"] = "cpu";  // whatever --device says: ClassifyBlocks
  NoteClasses(plan.inputs, features, "features_classes_sha256", plan.made_from);
  plan.test = LoadQueries(plan.inputs, features, "features");
  if (!config.adapter.empty()) {
    plan.data = ReadClassifier(config.adapter);
    plan.classifier = MakeClassifier(config.adapter, plan.data);
    plan.made_from["adapter_sha256"] = plan.data.seal;
    if (plan.data.classes != plan.inputs.classes ||
        plan.data.width != plan.inputs.cache_model.width) {
      throw InputError(fmt::format("{}: was trained on other classes or features than {}",
                                   config.adapter.string(), config.features.string()));
    }
    plan.inputs.files.push_back({"adapter", config.adapter, plan.data.made_from});
  }
  RequireTogether(plan.inputs, config.allowed, plan.made_from);
  if (has_cache) {
    plan.made_from["alpha"] = fmt::format("{}", config.alpha);
    plan.made_from["beta"] = fmt::format("{}", config.beta);
    plan.made_from["shots"] = std::to_string(config.shots);
    plan.made_from["subset_seed"] = std::to_string(config.subset_seed);
  }
  return plan;
}

void LoadEvaluation(const EvaluateConfig& config, EvaluatePlan& plan) {
  LoadFeatures(*plan.test_file, plan.test);
  if (plan.classifier != nullptr) return;
  if (!config.cache.empty()) {
    std::vector<float>& keys = plan.inputs.cache_model.keys;
    keys = ReadCacheFile(config.cache).features;
    NormalizeRows(keys, plan.inputs.cache_model.width);
  }
  plan.classifier = Untrained(config, plan.inputs);
}

// On the CPU always: a product with the keys a block, little beside reading the files.
// This rank's blocks: first image, then what the classifier says of each.
Message ClassifyBlocks(const EvaluatePlan& plan, std::int64_t top, const Compute& compute,
                       const Comm& comm) {
  const std::int64_t count = plan.test.count(), width = plan.inputs.cache_model.width;
  const auto blocks = ItemsOfRank((count + kBlock - 1) / kBlock, comm);
  std::vector<std::vector<Answer>> answers(blocks.size());
  WorkerPool(compute.workers)
      .Run(static_cast<std::int64_t>(blocks.size()), [&](std::int64_t item, int) {
        const std::int64_t first = blocks[static_cast<std::size_t>(item)] * kBlock;
        const std::int64_t rows = std::min(kBlock, count - first);
        const at::Tensor features =
            at::from_blob(const_cast<float*>(plan.test.features.data() + first * width),
                          {rows, width}, at::kFloat);
        auto& answer = answers[static_cast<std::size_t>(item)];
        for (const auto& row : TopClasses(plan.classifier->Logits(features), top)) {
          for (const Prediction& p : row) {
            answer.push_back(
                {static_cast<std::int32_t>(p.class_index), static_cast<float>(p.probability)});
          }
        }
        DidWork(rows);
      });
  Message message;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    message.Put(blocks[i] * kBlock);
    message.PutAll(std::span<const Answer>(answers[i]));
  }
  return message;
}

PredictionData Join(const EvaluatePlan& plan, std::int64_t top,
                    const std::vector<std::string>& from_ranks) {
  PredictionData data;
  data.top = top;
  data.labels = plan.test.labels;
  data.classes = plan.inputs.classes;
  data.made_from = plan.made_from;
  data.predicted.resize(static_cast<std::size_t>(plan.test.count() * top));
  data.probability.resize(data.predicted.size());
  for (const std::string& bytes : from_ranks) {
    for (MessageReader message(bytes); !message.done();) {
      auto place = static_cast<std::size_t>(message.Take<std::int64_t>() * top);
      for (const Answer& answer : message.TakeAll<Answer>()) {
        data.predicted.at(place) = answer.class_index;
        data.probability.at(place++) = answer.probability;
      }
    }
  }
  return data;
}

}  // namespace

Provenance EvaluateProvenance(const EvaluateConfig& config) {
  return MakeEvaluatePlan(config).made_from;
}

// Counts alone, nothing written.
EvaluateResult CountOnly(const EvaluateConfig& config, EvaluatePlan& plan, const Compute& compute,
                         Comm& comm) {
  EnterStage("evaluate: classify");
  Agree(comm, [&] { LoadEvaluation(config, plan); });
  EvaluateResult result;
  result.samples = plan.test.count();
  result.counts = CountRight(*plan.classifier, plan.test, FitJob{compute, comm});
  result.oddities = plan.inputs.oddities;
  return result;
}

EvaluateResult RunEvaluate(const EvaluateConfig& config, const Compute& compute, Comm& comm) {
  EnterStage("evaluate: plan");
  EvaluatePlan plan;
  Agree(comm, [&] { plan = MakeEvaluatePlan(config); });
  if (config.out.empty()) return CountOnly(config, plan, compute, comm);
  EnterStage("evaluate: output");
  const StageOutput output =
      OpenOutput(comm, config.out, kPredictionFormat, plan.made_from, config.if_present);
  if (!output.up_to_date) {
    EnterStage("evaluate: classify");
    const std::int64_t top = std::min(kMostPredicted, plan.inputs.cache_model.classes);
    Message mine;
    Agree(comm, [&] { LoadEvaluation(config, plan); });
    Agree(comm, [&] { mine = ClassifyBlocks(plan, top, compute, comm); });
    const auto all = GatherMessages(comm, mine);
    EnterStage("evaluate: write");
    Agree(comm, [&] {
      if (comm.is_root()) WritePredictionFile(config.out, Join(plan, top, all));
    });
  }
  EvaluateResult result;
  Agree(comm, [&] {
    const PredictionSummary summary = SummarizePredictions(ReadPredictionFile(config.out));
    result.samples = summary.samples;
    result.counts = {summary.top1, summary.top5};
  });
  result.oddities = plan.inputs.oddities;
  result.reused_output = output.up_to_date;
  return result;
}

}  // namespace clipsweep
