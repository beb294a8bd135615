#include "finetune/evaluate_job.h"

#include <ATen/ATen.h>
#include <fmt/core.h>

#include <algorithm>
#include <bit>

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

struct Plan {
  Inputs inputs;
  Queries test;
  AdapterData adapter;  // keys, text, alpha and beta of whatever kind of classifier it is
  Provenance made_from;
};

// The untrained keys of a subset, or none at all, as an adapter.
AdapterData Untrained(const EvaluateConfig& config, const Inputs& inputs) {
  AdapterData adapter;
  adapter.width = inputs.problem.width;
  adapter.text = inputs.problem.text;
  adapter.classes = inputs.classes;
  if (config.cache.empty()) return adapter;
  adapter.alpha = config.alpha;
  adapter.beta = config.beta;
  const Subset subset =
      MakeSubset(inputs, config.shots, static_cast<std::uint64_t>(config.subset_seed));
  for (std::size_t c = 0; c < subset.rows_by_class.size(); ++c) {
    for (const std::int64_t row : subset.rows_by_class[c]) {
      const float* key = inputs.problem.Key(row);
      adapter.keys.insert(adapter.keys.end(), key, key + adapter.width);
      adapter.class_index.push_back(static_cast<std::int32_t>(c));
    }
  }
  return adapter;
}

Plan MakePlan(const EvaluateConfig& config) {
  Plan plan;
  FeatureSet features = ReadFeatureFile(config.features);
  const bool has_cache = !config.cache.empty();
  plan.inputs = LoadInputs(config.text, has_cache ? ReadCacheFile(config.cache) : features,
                           has_cache ? "cache" : "features", config.allowed);
  plan.made_from = plan.inputs.made_from;
  plan.made_from["features_sha256"] = features.content_sha256;
  plan.made_from["device_kind"] = "cpu";  // whatever --device says: ClassifyBlocks
  NoteClasses(plan.inputs, features, "features_classes_sha256", plan.made_from);
  plan.test = LoadQueries(plan.inputs, std::move(features), "features");
  if (config.adapter.empty()) {
    plan.adapter = Untrained(config, plan.inputs);
  } else {
    plan.adapter = ReadAdapterFile(config.adapter);
    plan.made_from["adapter_sha256"] = plan.adapter.seal;
    if (plan.adapter.classes != plan.inputs.classes ||
        plan.adapter.width != plan.inputs.problem.width) {
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

// On the CPU always: a product with the keys a block, little beside reading the files.
// This rank's blocks as numbers for Gather: first image, then k classes and k probabilities each.
std::vector<std::int64_t> ClassifyBlocks(const Plan& plan, std::int64_t top, const Compute& compute,
                                         const Comm& comm) {
  const std::int64_t count = plan.test.count(), width = plan.inputs.problem.width;
  const auto blocks = ItemsOfRank((count + kBlock - 1) / kBlock, comm);
  const AdapterClassifier classifier(plan.adapter);
  std::vector<std::vector<std::int64_t>> answers(blocks.size());
  WorkerPool(compute.workers)
      .Run(static_cast<std::int64_t>(blocks.size()), [&](std::int64_t item, int) {
        const std::int64_t first = blocks[static_cast<std::size_t>(item)] * kBlock;
        const std::int64_t rows = std::min(kBlock, count - first);
        const at::Tensor features =
            at::from_blob(const_cast<float*>(plan.test.features.data() + first * width),
                          {rows, width}, at::kFloat);
        auto& answer = answers[static_cast<std::size_t>(item)];
        answer = {first, rows};
        for (const auto& row : classifier.Classify(features, top)) {
          for (const Prediction& p : row) answer.push_back(p.class_index);
          for (const Prediction& p : row) {
            answer.push_back(std::bit_cast<std::int32_t>(static_cast<float>(p.probability)));
          }
        }
        DidWork(rows);
      });
  std::vector<std::int64_t> message;
  for (const auto& answer : answers) message.insert(message.end(), answer.begin(), answer.end());
  return message;
}

PredictionData Join(const Plan& plan, std::int64_t top,
                    const std::vector<std::vector<std::int64_t>>& from_ranks) {
  PredictionData data;
  data.top = top;
  data.labels = plan.test.labels;
  data.classes = plan.inputs.classes;
  data.made_from = plan.made_from;
  data.predicted.resize(static_cast<std::size_t>(plan.test.count() * top));
  data.probability.resize(data.predicted.size());
  for (const auto& message : from_ranks) {
    for (auto at = message.begin(); at != message.end();) {
      auto place = static_cast<std::size_t>(*at++ * top);
      for (std::int64_t rows = *at++; rows > 0; --rows) {
        for (std::int64_t i = 0; i < top; ++i, ++at) {
          data.predicted[place + static_cast<std::size_t>(i)] = static_cast<std::int32_t>(*at);
        }
        for (std::int64_t i = 0; i < top; ++i, ++at) {
          data.probability[place + static_cast<std::size_t>(i)] =
              std::bit_cast<float>(static_cast<std::int32_t>(*at));
        }
        place += static_cast<std::size_t>(top);
      }
    }
  }
  return data;
}

}  // namespace

Provenance EvaluateProvenance(const EvaluateConfig& config) { return MakePlan(config).made_from; }

EvaluateResult RunEvaluate(const EvaluateConfig& config, const Compute& compute, Comm& comm) {
  EnterStage("evaluate: plan");
  Plan plan;
  Agree(comm, [&] { plan = MakePlan(config); });
  EnterStage("evaluate: output");
  const StageOutput output =
      OpenOutput(comm, config.out, kPredictionFormat, plan.made_from, config.if_present);
  if (!output.up_to_date) {
    EnterStage("evaluate: classify");
    const std::int64_t top = std::min(kMostPredicted, plan.inputs.problem.classes);
    std::vector<std::int64_t> mine;
    Agree(comm, [&] { mine = ClassifyBlocks(plan, top, compute, comm); });
    const auto all = comm.Gather(mine);
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
