// The class-parallel trainer of every method that trains. Classes are cut into at most 16 fixed
// blocks dealt to ranks; the loss needs from other ranks only each block's maximum and sum of
// exponentials per sample, which every rank combines in block order. So gradients and optimiser
// state stay local and what is trained is the same for any number of ranks and threads.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "common/comm/comm.h"
#include "common/compute/device.h"
#include "common/compute/workers.h"
#include "finetune/training/trained_block.h"
#include "sweep/math/cache_model.h"

namespace clipsweep {

inline constexpr std::int64_t kMaxClassBlocks = 16;

// Block b of `count` holds classes [bounds[b], bounds[b + 1]); at least `least` classes each where
// there are so many.
std::vector<std::int64_t> ClassBlockBounds(std::int64_t classes, std::int64_t least = 1);

class Trainer {
 public:
  // labels [n]: classes of the samples. `least_classes`: of a block.
  Trainer(std::int64_t classes, std::vector<std::int32_t> labels, const Compute& compute,
          Comm& comm, std::int64_t least_classes = 1);
  virtual ~Trainer() = default;

  // Makes this rank's blocks, then gives them the samples [n, D]. The shared part may be none.
  using MakeBlock =
      std::function<std::unique_ptr<TrainedBlock>(std::int64_t first, std::int64_t count)>;
  void MakeBlocks(const at::Tensor& samples, const MakeBlock& make,
                  std::shared_ptr<SharedPart> shared = nullptr);

  std::int64_t samples() const { return static_cast<std::int64_t>(labels_.size()); }
  std::int64_t width() const { return features_.size(1); }

  // From now on the samples are these rows [n, D] instead: another view of the images.
  void SetSamples(const at::Tensor& samples);

  // One step on the given samples (numbers in [0, samples())); returns the sum of their losses, the
  // same on every rank. When it is not finite nothing has been changed.
  double Step(const std::vector<std::int64_t>& batch, const Optimizer& optimizer, double lr);
  // Whether a signal had reached some rank by the last step; the same on every rank. Steps and
  // evaluations are always finished.
  bool interrupted() const { return interrupted_; }

  // Throws AgreedError (bad input) when a logit is not finite: the training has diverged.
  TopCounts Evaluate(const Queries& queries);

  // Keeps what is learned now as the best; takes it back.
  void KeepBest();
  void TakeBest();

  // What a run that was stopped must know to go on. Numbers of the blocks are of all ranks.
  std::int64_t steps() const { return steps_; }  // taken so far
  void set_steps(std::int64_t steps) { steps_ = steps; }
  std::int64_t block_count() const { return static_cast<std::int64_t>(bounds_.size()) - 1; }
  // Of this rank: (number, block).
  std::vector<std::pair<std::int64_t, TrainedBlock*>> OwnBlocks();
  SharedPart& shared() { return *shared_; }

  // Of every block `of` gives [rows, width] floats of this rank's, at most `most_rows`; calls
  // use(block, data) in block order. Collective.
  void GatherBlocks(const std::function<at::Tensor(const TrainedBlock&)>& of,
                    std::int64_t most_rows, std::int64_t width,
                    const std::function<void(std::size_t block, const float* rows)>& use);
  // [C, width]: a row a class, in class order. On every rank.
  at::Tensor GatherRows(const std::function<at::Tensor(const TrainedBlock&)>& of,
                        std::int64_t width);

 protected:
  const std::vector<std::int64_t>& bounds() const { return bounds_; }
  std::int64_t MostClasses() const;  // of the largest block

 private:
  std::int64_t owned() const { return static_cast<std::int64_t>(blocks_.size()); }
  // Calls work(block) for each of this rank's blocks, each on one thread.
  void ForOwnBlocks(const std::function<void(std::int64_t)>& work);
  // Slots of the gathered statistics: every rank sends as many as the one with most blocks.
  std::int64_t most_owned() const;
  // Adds up the blocks' parts in block order and lets the shared part take its step.
  void StepShared(const std::vector<std::vector<float>>& parts, const at::Tensor& features,
                  const Optimizer& optimizer, double lr);

  std::int64_t classes_;
  std::vector<std::int32_t> labels_;
  Compute compute_;
  Comm& comm_;
  WorkerPool pool_;
  std::vector<std::int64_t> bounds_;
  at::Tensor features_;                                // [n, D] on the device
  std::vector<std::unique_ptr<TrainedBlock>> blocks_;  // of this rank: rank, rank + size, ..
  std::shared_ptr<SharedPart> shared_;
  std::int64_t steps_ = 0;
  bool interrupted_ = false;
};

}  // namespace clipsweep
