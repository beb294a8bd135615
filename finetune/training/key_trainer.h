// Tip-Adapter-F's trainer: the keys of a cache, and where asked for the text, alpha and beta.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "finetune/training/key_block.h"
#include "finetune/training/trainer.h"

namespace clipsweep {

class KeyTrainer final : public Trainer {
 public:
  // rows_by_class: rows of cache_model.keys that start as keys and are trained on.
  KeyTrainer(const CacheModel& cache_model,
             const std::vector<std::vector<std::int64_t>>& rows_by_class, double alpha, double beta,
             const Compute& compute, Comm& comm, Learn learn = {});

  // From now on the samples are these rows of the cache, [rows, D] unit rows, instead of the keys
  // themselves: a view of the images.
  void UseView(const std::vector<float>& rows);

  // [K, D] in class order, padding left out; [C, D]. On every rank.
  std::vector<float> GatherKeys();
  std::vector<float> GatherText();
  double alpha() const { return point_->alpha(); }
  double beta() const { return point_->beta(); }

  // Row of cache_model.keys that each key of GatherKeys started from, and its class.
  const std::vector<std::int64_t>& key_rows() const { return key_rows_; }
  const std::vector<std::int32_t>& key_classes() const { return key_classes_; }

 private:
  at::Tensor SamplesOf(const std::vector<float>& rows) const;

  const std::int64_t width_;
  std::vector<std::vector<std::int64_t>> rows_by_class_;
  std::vector<std::int64_t> key_rows_;
  std::vector<std::int32_t> key_classes_;
  std::int64_t slots_ = 0;
  std::shared_ptr<KeyPoint> point_;
};

}  // namespace clipsweep
