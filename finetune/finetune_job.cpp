#include "finetune/finetune_job.h"

#include <fmt/core.h>

#include "common/files/shared_pictures.h"
#include "common/files/stage_output.h"
#include "common/process/error.h"
#include "common/process/liveness.h"
#include "common/process/log.h"
#include "finetune/finetune_plan.h"
#include "finetune/train_loop.h"
#include "sweep/engine/zero_shot.h"

namespace clipsweep {
namespace {

FinetuneResult FromFile(const AdapterData& data, const std::string& seal) {
  FinetuneResult result;
  result.samples = data.test_samples;
  result.before = {data.before_top1, data.before_top5};
  result.test = {data.test_top1, data.test_top5};
  result.alpha = data.alpha;
  result.beta = data.beta;
  result.keys = static_cast<std::int64_t>(data.class_index.size());
  result.selected_epoch = data.selected_epoch;
  result.select_samples = data.select_samples;
  result.history = data.history;
  result.tuned_on = data.tuned_on;
  result.sha256 = seal;
  return result;
}

}  // namespace

Provenance FinetuneProvenance(const FinetuneConfig& config, const Compute& compute) {
  TrainPlan plan = MakeTrainPlan(config);
  plan.made_from["device_kind"] = compute.kind();
  return plan.made_from;
}

FinetuneResult RunFinetune(const FinetuneConfig& config, const Compute& compute, Comm& comm) {
  EnterStage("finetune: plan");
  TrainPlan plan;
  Agree(comm, [&] { plan = MakeTrainPlan(config); });
  plan.made_from["device_kind"] = compute.kind();
  EnterStage("finetune: output");
  const StageOutput output =
      OpenOutput(comm, config.out, kAdapterFormat, plan.made_from, config.if_present);
  if (!output.up_to_date) {
    LogInfo("finetune: {} shots, subset seed {}, alpha {:.6g} beta {:.6g}, {} epochs of batch {}",
            plan.subset.shots, config.subset_seed, plan.alpha, plan.beta, config.epochs,
            config.batch);
    EnterStage("finetune: load");
    Agree(comm, [&] { LoadTrainFeatures(plan); });
    StateStore store(config.out, plan.made_from,
                     {config.resume, config.if_present == IfPresent::kRecompute,
                      config.if_present == IfPresent::kReplaceIfOther, config.save_every},
                     comm);
    AdapterData data = Train(config, plan, compute, store, comm);
    EnterStage("finetune: write");
    Agree(comm, [&] {
      if (!comm.is_root()) return;
      data.image_sha256 = PictureHashes(config.cache, data.cache_row);
      WriteAdapterFile(config.out, data);
      store.Remove();
    });
  }
  EnterStage("finetune: result");
  FinetuneResult result;
  Agree(comm, [&] { result = FromFile(ReadAdapterFile(config.out), SealOf(config.out)); });
  result.reused_output = output.up_to_date;
  result.shots = plan.subset.shots;
  result.oddities = plan.inputs.oddities;
  if (config.count_zero_shot) {
    Agree(comm, [&] {
      if (output.up_to_date) LoadFeatures(*plan.test_file, plan.test);
    });
    result.zero_shot = CountZeroShot(plan.inputs.cache_model, plan.test, compute, comm);
  }
  return result;
}

}  // namespace clipsweep
