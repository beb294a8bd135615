// A training from its first step to its last: order of samples, rate, selection, savings. The same
// for every method that trains.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "finetune/training/train_state.h"
#include "finetune/training/trainer.h"

namespace clipsweep {

struct Course {
  std::string label;        // "finetune", in the progress bar and in errors
  std::int64_t epochs = 0;  // an epoch ends with a look at the selection set
  std::int64_t steps = 0;   // of an epoch
  // Samples of a step: epochs from 1, steps from 0. The same whenever it is asked for.
  std::function<std::vector<std::int64_t>(std::int64_t epoch, std::int64_t step)> batch;
  std::function<double(std::int64_t step)> rate;  // of the step, counted over all epochs from 0
  std::function<void(std::int64_t epoch)> begin_epoch;  // may be empty
  Optimizer optimizer;
  const Queries* selection = nullptr;  // what chooses the epoch; none: the last
  std::string selection_name;          // "val"
  std::int64_t patience = 0;           // stop after so many epochs without a better one; 0: never
  bool start_counts = false;           // what is there before the first step may be the best
  bool latest_of_equals = false;       // else the first epoch that reaches the best count
};

struct CourseResult {
  TrainState state;
  std::vector<double> step_seconds;  // of this process's steps, in order
  std::int64_t selected_epoch = 0;   // 0: before the first step
};

// Trains, or goes on with what the store holds; leaves the trainer with what was selected.
// `first_look` fills what belongs into the state of a training that begins. Collective. After a
// signal saves and throws Interrupted; throws AgreedError when the training diverges.
CourseResult RunCourse(const Course& course, Trainer& trainer, StateStore* store, Comm& comm,
                       const std::function<void(TrainState&)>& first_look = {});

// Numbers [0, samples) in the order of one epoch, a function of all four.
std::vector<std::int64_t> EpochOrder(std::int64_t samples, std::uint64_t seed, std::uint64_t stream,
                                     std::int64_t epoch);

// The steps of epochs that walk through all samples in batches, each epoch in its own order; with
// `drop_last` without a smaller last batch, unless it is the only one.
class EpochBatches {
 public:
  EpochBatches(std::int64_t samples, std::int64_t batch, bool drop_last, std::uint64_t seed,
               std::uint64_t stream);
  std::int64_t steps() const { return steps_; }
  std::vector<std::int64_t> operator()(std::int64_t epoch, std::int64_t step);

 private:
  std::int64_t samples_, batch_, steps_;
  std::uint64_t seed_, stream_;
  std::int64_t epoch_ = -1;  // whose order is kept
  std::vector<std::int64_t> order_;
};

// Epochs over all samples in batches, the last one smaller, at a rate that follows a cosine to 0.
Course CosineCourse(const std::string& label, const EpochBatches& batches, std::int64_t epochs,
                    double lr);

}  // namespace clipsweep
