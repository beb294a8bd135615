// What the trainer trains: some consecutive classes of a classifier, with their gradient made by
// hand. A method is a kind of block; blocks are dealt to ranks, and what a block computes depends
// on itself and the batch alone.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/compute/workers.h"
#include "finetune/training/optimizer.h"

namespace clipsweep {

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

// Samples of one step: their numbers, [B], and features [B, D] as the blocks see them.
struct Batch {
  at::Tensor numbers, features;
  std::int64_t size() const { return features.size(0); }
};

class TrainedBlock {
 public:
  TrainedBlock(std::int64_t first_class, std::int64_t classes)
      : first_class_(first_class), classes_(classes) {}
  virtual ~TrainedBlock() = default;
  TrainedBlock(const TrainedBlock&) = delete;
  TrainedBlock& operator=(const TrainedBlock&) = delete;

  std::int64_t first_class() const { return first_class_; }
  std::int64_t classes() const { return classes_; }

  // All samples [n, D], before training and whenever they are replaced: what training does not
  // change can be computed here once.
  virtual void SetSamples(const at::Tensor&) {}
  // Logits [B, c] of this block's classes; what Backward needs is kept.
  virtual at::Tensor Forward(const Batch& batch) = 0;
  // lead [B, c]: the gradient of the mean loss by the logits. One step on what this block learns.
  // Returns its part of the gradient of what all blocks share (SharedPart); empty without one.
  virtual std::vector<float> Backward(const Batch& batch, const at::Tensor& lead,
                                      const Optimizer& optimizer, double lr) = 0;
  // The logits [N, c] of features [N, D], nothing kept. Called from several threads.
  virtual at::Tensor Logits(const at::Tensor& features) const = 0;

  // What training must know to go on, by name; tensors share memory with the block. After KeepBest
  // the best too.
  virtual NamedTensors State() = 0;
  // Keeps what is learned now as the best, or takes the best back.
  virtual void KeepBest() = 0;
  virtual void TakeBest() = 0;

 private:
  std::int64_t first_class_, classes_;
};

// What all blocks share and every rank holds alike; by default nothing.
class SharedPart {
 public:
  SharedPart() = default;
  virtual ~SharedPart() = default;
  SharedPart(const SharedPart&) = delete;
  SharedPart& operator=(const SharedPart&) = delete;

  // Whether blocks see features otherwise than they are stored, and how.
  virtual bool transforms() const { return false; }
  virtual at::Tensor Transform(const at::Tensor& features) const { return features; }
  // The same for a step's batch; what Step needs is kept.
  virtual at::Tensor Forward(const at::Tensor& features) { return Transform(features); }
  // Floats that each block adds in a step on so many samples; 0: nothing is learned.
  virtual std::int64_t GradientSize(std::int64_t /*samples*/) const { return 0; }
  // `gradient`: the blocks' parts added in block order. `features`: of the batch, as stored.
  // `pool`: for products, which outside of it would run on any number of threads.
  virtual void Step(const at::Tensor& /*features*/, const std::vector<double>& /*gradient*/,
                    const Optimizer&, double /*lr*/, WorkerPool& /*pool*/) {}
  virtual NamedTensors State() { return {}; }
  virtual void KeepBest() {}
  virtual void TakeBest() {}
};

// The gradient of the mean cross-entropy by the logits of some consecutive classes: softmax less
// one-hot, over B. log_sum [B]: log of the sum of exp of all classes' logits; labels [B].
at::Tensor LeadOf(const at::Tensor& logits, std::int64_t first_class, const at::Tensor& log_sum,
                  const at::Tensor& labels);

// The best of some parameters, for KeepBest and TakeBest.
class BestOf {
 public:
  void Keep(const NamedTensors& values);
  void TakeInto(const NamedTensors& values) const;
  // "best_" before each name; nothing before Keep.
  void AddTo(NamedTensors& state) const;

 private:
  NamedTensors best_;
};

// value, first and second moment of a parameter that is learned.
void AddState(NamedTensors& state, const std::string& name, const Parameter& parameter);

}  // namespace clipsweep
