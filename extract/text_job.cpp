#include "extract/text_job.h"

#include <fmt/core.h>

#include <algorithm>
#include <memory>

#include "common/compute/tensors.h"
#include "common/compute/workers.h"
#include "common/data/class_names.h"
#include "common/disk/sha256.h"
#include "common/files/stage_output.h"
#include "common/files/text_file.h"
#include "common/process/error.h"
#include "common/process/liveness.h"
#include "common/process/log.h"
#include "common/process/progress.h"
#include "extract/models/text_encode.h"

namespace clipsweep {
namespace {

// A work item is 16 classes: fixed, so that a class's row does not depend on ranks or threads.
constexpr std::int64_t kClassesPerItem = 16;

struct TextPlan {
  ClassNames names;
  std::vector<std::string> templates;
  std::shared_ptr<const Checkpoint> checkpoint;
  EncoderOptions encoder;
  Provenance made_from;
};

TextPlan MakeTextPlan(const TextConfig& config, const Compute& compute) {
  TextPlan plan;
  plan.names = ReadClassNames(config.classnames);
  plan.templates = ReadTemplates(config.templates);
  plan.encoder = MakeEncoderOptions(config.model, compute);
  plan.checkpoint = OpenCheckpoint(config.model);
  plan.checkpoint->RequireTextEncoder();
  Sha256 names, templates;
  for (std::size_t c = 0; c < plan.names.names.size(); ++c) {
    names.Update(plan.names.classes[c] + "\t" + plan.names.names[c] + "\n");
  }
  for (const std::string& text : plan.templates) templates.Update(text + "\n");
  const ModelConfig& model = plan.checkpoint->config();
  plan.made_from = {{"model", model.name},
                    {"model_sha256", plan.checkpoint->sha256()},
                    {"activation", plan.checkpoint->ActivationName()},
                    {"heads", std::to_string(model.text_heads)},
                    {"precision", config.model.precision},
                    {"classnames_sha256", names.Hex()},
                    {"templates_sha256", templates.Hex()},
                    {"device_kind", compute.kind()}};
  return plan;
}

// Of classes [first, first + count) into out [count, D + 1]: the unit row, and the length that the
// mean of the prompts has as the encoder gives them.
void EncodeClasses(const TextPlan& plan, const ClipText& encoder, const Tokenizer& tokenizer,
                   std::int64_t first, std::int64_t count, float* out) {
  const auto templates = static_cast<std::int64_t>(plan.templates.size());
  std::vector<std::string> prompts;
  for (std::int64_t c = first; c < first + count; ++c) {
    for (const std::string& text : plan.templates) {
      prompts.push_back(FillTemplate(text, plan.names.names[static_cast<std::size_t>(c)]));
    }
  }
  const at::Tensor raw =
      EncodePrompts(encoder, tokenizer, plan.checkpoint->config().context_length, prompts);
  const at::Tensor each = raw / raw.norm(2, {-1}, /*keepdim=*/true);
  const at::Tensor summed = each.view({count, templates, -1}).mean(1);
  const at::Tensor mean = (summed / summed.norm(2, {-1}, /*keepdim=*/true)).contiguous();
  if (!at::isfinite(mean).all().item<bool>()) {
    throw InputError(fmt::format("{}: the text encoder gave values that are not finite",
                                 plan.checkpoint->path().string()));
  }
  const std::int64_t width = mean.size(1);
  const at::Tensor length = raw.view({count, templates, -1}).mean(1).norm(2, {-1}).contiguous();
  for (std::int64_t c = 0; c < count; ++c) {
    std::copy_n(mean.const_data_ptr<float>() + c * width, width, out + c * (width + 1));
    out[c * (width + 1) + width] = length.const_data_ptr<float>()[c];
  }
}

}  // namespace

Provenance TextProvenance(const TextConfig& config, const Compute& compute) {
  return MakeTextPlan(config, compute).made_from;
}

TextResult RunText(const TextConfig& config, const Compute& compute, Comm& comm) {
  EnterStage("text: plan");
  TextPlan plan;
  Agree(comm, [&] { plan = MakeTextPlan(config, compute); });
  if (comm.is_root()) WarnOfSharedNames(config.classnames, plan.names);
  EnterStage("text: output");
  const StageOutput output =
      OpenOutput(comm, config.out, kTextFormat, plan.made_from, config.if_present);

  const auto classes = static_cast<std::int64_t>(plan.names.names.size());
  const std::int64_t width = plan.checkpoint->config().embed_dim;
  TextResult result;
  result.classes = classes;
  result.templates = static_cast<std::int64_t>(plan.templates.size());
  result.width = width;
  result.shared_names = plan.names.Shared();
  result.model_remarks = plan.checkpoint->remarks();
  result.reused_output = output.up_to_date;
  if (!output.up_to_date) {
    const std::int64_t items = (classes + kClassesPerItem - 1) / kClassesPerItem;
    const std::int64_t per_rank = (items + comm.size() - 1) / comm.size();
    const std::int64_t item_values = kClassesPerItem * (width + 1);
    std::vector<float> mine(static_cast<std::size_t>(per_rank * item_values), 0.0f);
    std::vector<float> all(mine.size() * static_cast<std::size_t>(comm.size()));
    const auto my_items = ItemsOfRank(items, comm);
    EnterStage("text: encode");
    Agree(comm, [&] {
      const ClipText encoder(*plan.checkpoint, plan.encoder);
      const Tokenizer tokenizer;
      Progress progress("text", "class blocks", static_cast<std::int64_t>(my_items.size()),
                        comm.is_root());
      WorkerPool(compute.workers)
          .Run(
              static_cast<std::int64_t>(my_items.size()),
              [&](std::int64_t i, int) {
                const std::int64_t first = my_items[static_cast<std::size_t>(i)] * kClassesPerItem;
                EncodeClasses(plan, encoder, tokenizer, first,
                              std::min(kClassesPerItem, classes - first),
                              mine.data() + i * item_values);
                DidWork(std::min(kClassesPerItem, classes - first));
              },
              [&](std::int64_t done) { progress.Update(done); });
    });
    EnterStage("text: write");
    comm.AllGather(mine, all);
    Agree(comm, [&] {
      if (!comm.is_root()) return;
      TextSet set;
      set.count = classes;
      set.width = width;
      set.classes = plan.names.classes;
      set.classnames = plan.names.names;
      set.templates = plan.templates;
      set.made_from = plan.made_from;
      set.logit_scale = plan.checkpoint->LogitScale();
      double lengths = 0;
      for (std::int64_t item = 0; item < items; ++item) {
        const std::int64_t slot = item % comm.size() * per_rank + item / comm.size();
        const auto start = all.begin() + static_cast<std::ptrdiff_t>(slot * item_values);
        const std::int64_t rows = std::min(kClassesPerItem, classes - item * kClassesPerItem);
        for (auto row = start; row < start + rows * (width + 1); row += width + 1) {
          set.text.insert(set.text.end(), row, row + width);
          lengths += row[width];
        }
      }
      set.text_norm = lengths / static_cast<double>(classes);
      WriteTextFile(config.out, set);
    });
  }
  Agree(comm, [&] { result.sha256 = SealOf(config.out); });
  return result;
}

}  // namespace clipsweep
