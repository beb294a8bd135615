// Class-parallel Tip-Adapter-F. Classes are cut into at most 16 fixed blocks dealt to ranks; the
// loss needs from other ranks only each block's maximum and sum of exponentials per sample, which
// every rank combines in block order. So gradients and optimiser state stay local and the trained
// keys are the same for any number of ranks and threads.
#pragma once

#include <cstdint>
#include <vector>

#include "common/comm.h"
#include "common/device.h"
#include "common/workers.h"
#include "finetune/class_block.h"
#include "sweep/grid_engine.h"

namespace clipsweep {

inline constexpr std::int64_t kMaxClassBlocks = 16;

// Block b of `count` holds classes [bounds[b], bounds[b + 1]).
std::vector<std::int64_t> ClassBlockBounds(std::int64_t classes);

class Trainer {
 public:
  // rows_by_class: rows of problem.keys that start as keys and are trained on.
  Trainer(const Problem& problem, const std::vector<std::vector<std::int64_t>>& rows_by_class,
          double alpha, double beta, const Compute& compute, Comm& comm);

  std::int64_t samples() const { return static_cast<std::int64_t>(train_rows_.size()); }

  // One AdamW step on the given samples (numbers in [0, samples())); returns the sum of their
  // losses, the same on every rank.
  double Step(const std::vector<std::int64_t>& batch, const AdamW& adam, double lr);

  // Throws AgreedError (bad input) when a logit is not finite: the training has diverged.
  TopCounts Evaluate(const Queries& queries);

  // [K, D] in class order, padding left out; on every rank.
  std::vector<float> GatherKeys();
  // Row of problem.keys that each key of GatherKeys started from, and its class.
  const std::vector<std::int64_t>& key_rows() const { return train_rows_; }
  const std::vector<std::int32_t>& key_classes() const { return train_labels_; }

 private:
  std::int64_t owned() const { return static_cast<std::int64_t>(blocks_.size()); }
  // Slots of the gathered statistics: every rank sends as many as the one with most blocks.
  std::int64_t most_owned() const;

  const Problem& problem_;
  std::vector<std::vector<std::int64_t>> rows_by_class_;
  Compute compute_;
  Comm& comm_;
  WorkerPool pool_;
  std::vector<std::int64_t> bounds_;
  std::int64_t slots_ = 0;
  std::vector<std::int64_t> train_rows_;
  std::vector<std::int32_t> train_labels_;
  at::Tensor features_;             // [samples, D] on the device
  std::vector<ClassBlock> blocks_;  // those of this rank: numbers rank, rank + size, ..
};

}  // namespace clipsweep
