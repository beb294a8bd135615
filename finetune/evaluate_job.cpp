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
#include "finetune/methods/adapter_classifier.h"
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
  AdapterData adapter;  // keys, text, alpha and beta of whatever kind of classifier it is
  Provenance made_from;
  std::optional<FeatureReader> test_file;  // whose features are still to be read
};

// The untrained keys of a subset, or none at all, as an adapter.
AdapterData Untrained(const EvaluateConfig& config, const FewShotInputs& inputs) {
  AdapterData adapter;
  adapter.width = inputs.cache_model.width;
  adapter.text = inputs.cache_model.text;
  adapter.classes = inputs.classes;
  if (config.cache.empty()) return adapter;
  adapter.alpha = config.alpha;
  adapter.beta = config.beta;
  const Subset subset =
      MakeSubset(inputs, config.shots, static_cast<std::uint64_t>(config.subset_seed));
  for (std::size_t c = 0; c < subset.rows_by_class.size(); ++c) {
    for (const std::int64_t row : subset.rows_by_class[c]) {
      const float* key = inputs.cache_model.Key(row);
      adapter.keys.insert(adapter.keys.end(), key, key + adapter.width);
      adapter.class_index.push_back(static_cast<std::int32_t>(c));
    }
  }
  return adapter;
}

EvaluatePlan MakeEvaluatePlan(const EvaluateConfig& config) {
  EvaluatePlan plan;
  plan.test_file.emplace(config.features);
  const FeatureSet& features = plan.test_file->about();
  const bool has_cache = !config.cache.empty();
  plan.inputs = LoadInputs(config.text, has_cache ? FeatureReader(config.cache).about() : features,
                           has_cache ? "cache" : "features", config.allowed);
  plan.made_from = plan.inputs.made_from;
  plan.made_from["features_sha256"] = features.content_sha256;
  plan.made_from["device_kind"] = "cpu";  // whatever --device says: ClassifyBlocks
  NoteClasses(plan.inputs, features, "features_classes_sha256", plan.made_from);
  plan.test = LoadQueries(plan.inputs, features, "features");
  if (!config.adapter.empty()) {
    plan.adapter = ReadAdapterFile(config.adapter);
    plan.made_from["adapter_sha256"] = plan.adapter.seal;
    if (plan.adapter.classes != plan.inputs.classes ||
        plan.adapter.width != plan.inputs.cache_model.width) {
      throw InputError(fmt::format("{}: was trained on other classes or features than {}",
                                   config.adapter.string(), config.features.string()));
    }
    plan.inputs.files.push_back({"adapter", config.adapter, plan.adapter.made_from});
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
  if (!config.adapter.empty()) return;
  if (!config.cache.empty()) {
    std::vector<float>& keys = plan.inputs.cache_model.keys;
    keys = ReadCacheFile(config.cache).features;
    NormalizeRows(keys, plan.inputs.cache_model.width);
  }
  plan.adapter = Untrained(config, plan.inputs);
}

// On the CPU always: a product with the keys a block, little beside reading the files.
// This rank's blocks: first image, then what the classifier says of each.
Message ClassifyBlocks(const EvaluatePlan& plan, std::int64_t top, const Compute& compute,
                       const Comm& comm) {
  const std::int64_t count = plan.test.count(), width = plan.inputs.cache_model.width;
  const auto blocks = ItemsOfRank((count + kBlock - 1) / kBlock, comm);
  const AdapterClassifier classifier(plan.adapter);
  std::vector<std::vector<Answer>> answers(blocks.size());
  WorkerPool(compute.workers)
      .Run(static_cast<std::int64_t>(blocks.size()), [&](std::int64_t item, int) {
        const std::int64_t first = blocks[static_cast<std::size_t>(item)] * kBlock;
        const std::int64_t rows = std::min(kBlock, count - first);
        const at::Tensor features =
            at::from_blob(const_cast<float*>(plan.test.features.data() + first * width),
                          {rows, width}, at::kFloat);
        auto& answer = answers[static_cast<std::size_t>(item)];
        for (const auto& row : classifier.Classify(features, top)) {
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

EvaluateResult RunEvaluate(const EvaluateConfig& config, const Compute& compute, Comm& comm) {
  EnterStage("evaluate: plan");
  EvaluatePlan plan;
  Agree(comm, [&] { plan = MakeEvaluatePlan(config); });
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
  result.reused_output = output.up_to_date;
  return result;
}

}  // namespace clipsweep
