#include "finetune/training/key_trainer.h"

#include <algorithm>

#include "common/compute/tensors.h"

namespace clipsweep {
namespace {

constexpr std::int64_t kMostTextLogits = 64 << 20;  // of all ranks together: 256 MB

std::vector<std::int32_t> LabelsOf(const std::vector<std::vector<std::int64_t>>& rows_by_class) {
  std::vector<std::int32_t> labels;
  for (std::size_t c = 0; c < rows_by_class.size(); ++c) {
    labels.insert(labels.end(), rows_by_class[c].size(), static_cast<std::int32_t>(c));
  }
  return labels;
}

}  // namespace

KeyTrainer::KeyTrainer(const CacheModel& cache_model,
                       const std::vector<std::vector<std::int64_t>>& rows_by_class, double alpha,
                       double beta, const Compute& compute, Comm& comm, Learn learn)
    : Trainer(cache_model.classes, LabelsOf(rows_by_class), compute, comm),
      width_(cache_model.width),
      rows_by_class_(rows_by_class),
      key_classes_(LabelsOf(rows_by_class)),
      point_(std::make_shared<KeyPoint>(alpha, beta, learn)) {
  for (const auto& rows : rows_by_class_) {
    slots_ = std::max(slots_, static_cast<std::int64_t>(rows.size()));
    key_rows_.insert(key_rows_.end(), rows.begin(), rows.end());
  }
  const at::Device device(compute.device);
  const std::int64_t d = width_;
  bool keeps_text_logits = !learn.text && samples() * cache_model.classes <= kMostTextLogits;
  const auto make = [&](std::int64_t first, std::int64_t count) {
    at::Tensor keys = at::zeros({count, slots_, d}), weight = at::zeros({count, slots_});
    for (std::int64_t c = 0; c < count; ++c) {
      const auto& rows = rows_by_class_[static_cast<std::size_t>(first + c)];
      for (std::size_t s = 0; s < rows.size(); ++s) {
        const auto slot = static_cast<std::int64_t>(s);
        std::copy_n(cache_model.keys.data() + rows[s] * d, d,
                    keys.mutable_data_ptr<float>() + (c * slots_ + slot) * d);
        weight.mutable_data_ptr<float>()[c * slots_ + slot] = 1.0f;
      }
    }
    const at::Tensor text = at::from_blob(const_cast<float*>(cache_model.text.data()) + first * d,
                                          {count, d}, at::kFloat)
                                .clone();
    return std::make_unique<KeyBlock>(keys.to(device), weight.to(device), text.to(device), first,
                                      *point_, learn, cache_model.logit_scale, keeps_text_logits);
  };
  MakeBlocks(SamplesOf(cache_model.keys), make, point_);
}

at::Tensor KeyTrainer::SamplesOf(const std::vector<float>& rows) const {
  at::Tensor features = at::empty({samples(), width_});
  for (std::int64_t i = 0; i < samples(); ++i) {
    const std::int64_t row = key_rows_[static_cast<std::size_t>(i)];
    std::copy_n(rows.data() + row * width_, width_,
                features.mutable_data_ptr<float>() + i * width_);
  }
  return features;
}

void KeyTrainer::UseView(const std::vector<float>& rows) { SetSamples(SamplesOf(rows)); }

std::vector<float> KeyTrainer::GatherKeys() {
  std::vector<float> keys;
  keys.reserve(key_rows_.size() * static_cast<std::size_t>(width_));
  GatherBlocks(
      [](const TrainedBlock& block) { return static_cast<const KeyBlock&>(block).keys(); },
      MostClasses() * slots_, width_,
      [&](std::size_t b, const float* rows) {
        for (std::int64_t c = bounds()[b]; c < bounds()[b + 1]; ++c, rows += slots_ * width_) {
          const auto used =
              static_cast<std::int64_t>(rows_by_class_[static_cast<std::size_t>(c)].size());
          keys.insert(keys.end(), rows, rows + used * width_);
        }
      });
  return keys;
}

std::vector<float> KeyTrainer::GatherText() {
  const at::Tensor text = GatherRows(
      [](const TrainedBlock& block) { return static_cast<const KeyBlock&>(block).text(); }, width_);
  return {text.const_data_ptr<float>(), text.const_data_ptr<float>() + text.numel()};
}

}  // namespace clipsweep
