// Class-parallel Tip-Adapter-F. Classes are cut into at most 16 fixed blocks dealt to ranks; the
// loss needs from other ranks only each block's maximum and sum of exponentials per sample, which
// every rank combines in block order. So gradients and optimiser state stay local and the trained
// keys are the same for any number of ranks and threads.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "common/comm/comm.h"
#include "common/compute/device.h"
#include "common/compute/workers.h"
#include "finetune/training/class_block.h"
#include "sweep/engine/grid_engine.h"

namespace clipsweep {

inline constexpr std::int64_t kMaxClassBlocks = 16;

// Block b of `count` holds classes [bounds[b], bounds[b + 1]).
std::vector<std::int64_t> ClassBlockBounds(std::int64_t classes);

class Trainer {
 public:
  // rows_by_class: rows of cache_model.keys that start as keys and are trained on.
  Trainer(const CacheModel& cache_model,
          const std::vector<std::vector<std::int64_t>>& rows_by_class, double alpha, double beta,
          const Compute& compute, Comm& comm, Learn learn = {});

  std::int64_t samples() const { return static_cast<std::int64_t>(train_rows_.size()); }

  // From now on the samples are these rows of the cache, [rows, D] unit rows, instead of the keys
  // themselves: a view of the images.
  void SetSamples(const std::vector<float>& rows);

  // One AdamW step on the given samples (numbers in [0, samples())); returns the sum of their
  // losses, the same on every rank. When it is not finite nothing has been changed.
  double Step(const std::vector<std::int64_t>& batch, const AdamW& adam, double lr);
  // Whether a signal had reached some rank by the last step; the same on every rank. Steps and
  // evaluations are always finished.
  bool interrupted() const { return interrupted_; }

  // Throws AgreedError (bad input) when a logit is not finite: the training has diverged.
  TopCounts Evaluate(const Queries& queries);

  // Keeps the present keys, text, alpha and beta as the best; takes them back.
  void KeepBest();
  void TakeBest();

  // [K, D] in class order, padding left out; [C, D]. On every rank.
  std::vector<float> GatherKeys();
  std::vector<float> GatherText();
  double alpha() const { return alpha_.value; }
  double beta() const { return beta_.value; }

  // What a run that was stopped must know to go on. Numbers of the blocks are of all ranks.
  struct Scalars {
    std::int64_t steps = 0;  // taken so far
    ScalarParameter alpha, beta;
    double best_alpha = 0, best_beta = 0;
  };
  Scalars scalars() const { return {steps_, alpha_, beta_, best_alpha_, best_beta_}; }
  void SetScalars(const Scalars& scalars);
  std::int64_t block_count() const { return static_cast<std::int64_t>(bounds_.size()) - 1; }
  // Of this rank: (number, block).
  std::vector<std::pair<std::int64_t, ClassBlock*>> OwnBlocks();

  // Row of cache_model.keys that each key of GatherKeys started from, and its class.
  const std::vector<std::int64_t>& key_rows() const { return train_rows_; }
  const std::vector<std::int32_t>& key_classes() const { return train_labels_; }

 private:
  std::int64_t owned() const { return static_cast<std::int64_t>(blocks_.size()); }
  // Slots of the gathered statistics: every rank sends as many as the one with most blocks.
  std::int64_t most_owned() const;
  std::int64_t MostClasses() const;  // of the largest block
  // 100 f W^T of the training samples, which training the keys does not change.
  void KeepTextLogits();
  // Adds up the blocks' parts in block order and takes alpha's and beta's step.
  void StepScalars(const std::vector<std::array<double, 2>>& parts, const AdamW& adam, double lr);
  // Of every block `rows` x D floats, which `of` gives of this rank's; in block order, padded rows
  // and all. Calls use(block, data).
  void GatherBlocks(const std::function<at::Tensor(const ClassBlock&)>& of, std::int64_t most_rows,
                    const std::function<void(std::size_t block, const float* rows)>& use);

  const CacheModel& cache_model_;
  std::vector<std::vector<std::int64_t>> rows_by_class_;
  Compute compute_;
  Comm& comm_;
  WorkerPool pool_;
  std::vector<std::int64_t> bounds_;
  std::int64_t slots_ = 0;
  std::vector<std::int64_t> train_rows_;
  std::vector<std::int32_t> train_labels_;
  at::Tensor features_;                  // [samples, D] on the device
  std::vector<at::Tensor> text_logits_;  // [samples, c] of each block, or empty
  std::vector<ClassBlock> blocks_;       // those of this rank: numbers rank, rank + size, ..
  Learn learn_;
  std::int64_t steps_ = 0;
  ScalarParameter alpha_, beta_;
  double best_alpha_, best_beta_;
  bool interrupted_ = false;
};

}  // namespace clipsweep
