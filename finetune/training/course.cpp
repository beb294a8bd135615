#include "finetune/training/course.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <numeric>

#include "common/compute/random.h"
#include "common/process/error.h"
#include "common/process/liveness.h"
#include "common/process/log.h"
#include "common/process/progress.h"
#include "common/process/signals.h"

namespace clipsweep {
namespace {

class CourseRun {
 public:
  CourseRun(const Course& course, Trainer& trainer, StateStore* store, Comm& comm)
      : course_(course),
        trainer_(trainer),
        store_(store),
        comm_(comm),
        progress_(course.label, "steps", course.epochs * course.steps, comm.is_root()) {}

  CourseResult Run(const std::function<void(TrainState&)>& first_look) {
    EnterStage(course_.label + ": load");
    if (auto saved = store_ != nullptr ? store_->Load(trainer_) : std::nullopt) {
      state_ = std::move(*saved);
    } else {
      if (first_look) first_look(state_);
      if (course_.start_counts) Select(0);
    }
    for (std::int64_t step = 0; step < state_.step; ++step) {  // of a process before
      samples_ += static_cast<std::int64_t>(course_.batch(state_.epoch, step).size());
    }
    while (state_.epoch <= course_.epochs && !IsOutOfPatience()) {
      EnterStage(course_.label + ": epoch");
      RunEpoch();
      FinishEpoch();
      if (store_ != nullptr && state_.epoch <= course_.epochs) store_->SaveIfDue(state_, trainer_);
    }
    if (course_.selection != nullptr) trainer_.TakeBest();
    const std::int64_t last = state_.epoch - 1;
    return {state_, std::move(step_seconds_),
            course_.selection != nullptr ? state_.best_epoch : last};
  }

 private:
  bool IsOutOfPatience() const {
    return course_.patience > 0 && state_.best_epoch > 0 &&
           state_.epoch - 1 - state_.best_epoch >= course_.patience;
  }

  void RunEpoch() {
    if (course_.begin_epoch) course_.begin_epoch(state_.epoch);
    while (state_.step < course_.steps) {
      const auto batch = course_.batch(state_.epoch, state_.step);
      const double lr = course_.rate((state_.epoch - 1) * course_.steps + state_.step);
      const auto began = std::chrono::steady_clock::now();
      const double loss = trainer_.Step(batch, course_.optimizer, lr);
      step_seconds_.push_back(
          std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
      if (!std::isfinite(loss)) {  // the same on every rank
        throw AgreedError(
            ExitCode::kBadInput,
            fmt::format(
                "{}: the loss is not finite at epoch {} step {}; lower lr or beta{}",
                course_.label, state_.epoch, state_.step + 1,
                store_ != nullptr && store_->has_state() ? "; the last saved epoch is kept" : ""));
      }
      state_.loss_sum += loss;
      samples_ += static_cast<std::int64_t>(batch.size());
      DidWork(static_cast<std::int64_t>(batch.size()));
      ++state_.step;
      Show();
      if (trainer_.interrupted()) {
        if (store_ != nullptr) store_->Save(state_, trainer_);
        ThrowIfInterrupted();
        throw Interrupted(SIGTERM);  // the signal reached another rank
      }
    }
  }

  void FinishEpoch() {
    EpochRecord record;
    record.loss = state_.loss_sum / static_cast<double>(samples_);
    if (course_.selection != nullptr) {
      const TopCounts counts = Select(state_.epoch);
      record.select_top1 = counts.top1;
      record.select_top5 = counts.top5;
    }
    state_.history.push_back(record);
    LogDebug("{}: epoch {} loss {:.5f}", course_.label, state_.epoch, record.loss);
    ++state_.epoch;
    state_.step = 0;
    state_.loss_sum = 0;
    samples_ = 0;
  }

  // Measures on the selection set and keeps what is best there.
  TopCounts Select(std::int64_t epoch) {
    const TopCounts counts = trainer_.Evaluate(*course_.selection);
    const bool better = counts.top1 > state_.best.top1 ||
                        (course_.latest_of_equals && counts.top1 == state_.best.top1);
    if (state_.best_epoch < 0 || better) {
      state_.best_epoch = epoch;
      state_.best = counts;
      trainer_.KeepBest();
    }
    return counts;
  }

  void Show() {
    const auto now = std::chrono::steady_clock::now();
    const std::int64_t done = (state_.epoch - 1) * course_.steps + state_.step;
    if (now - shown_ < std::chrono::milliseconds(100) && done < course_.epochs * course_.steps) {
      return;
    }
    shown_ = now;
    std::string note = fmt::format("epoch {} of {}, loss {:.4f}", state_.epoch, course_.epochs,
                                   state_.loss_sum / static_cast<double>(samples_));
    if (course_.selection != nullptr && !state_.history.empty()) {
      const auto percent = [&](std::int64_t right) {
        return 100.0 * static_cast<double>(right) / static_cast<double>(course_.selection->count());
      };
      const EpochRecord& last = state_.history.back();
      note += fmt::format(", {} top-1 {:.2f} % top-5 {:.2f} %", course_.selection_name,
                          percent(last.select_top1), percent(last.select_top5));
    }
    progress_.Update(done, note);
  }

  const Course& course_;
  Trainer& trainer_;
  StateStore* store_;
  Comm& comm_;
  Progress progress_;
  TrainState state_;
  std::vector<double> step_seconds_;
  std::int64_t samples_ = 0;  // of this epoch's steps so far
  std::chrono::steady_clock::time_point shown_;
};

}  // namespace

CourseResult RunCourse(const Course& course, Trainer& trainer, StateStore* store, Comm& comm,
                       const std::function<void(TrainState&)>& first_look) {
  return CourseRun(course, trainer, store, comm).Run(first_look);
}

std::vector<std::int64_t> EpochOrder(std::int64_t samples, std::uint64_t seed, std::uint64_t stream,
                                     std::int64_t epoch) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(samples));
  std::iota(order.begin(), order.end(), 0);
  Random(seed, stream, static_cast<std::uint64_t>(epoch)).Shuffle(order);
  return order;
}

EpochBatches::EpochBatches(std::int64_t samples, std::int64_t batch, bool drop_last,
                           std::uint64_t seed, std::uint64_t stream)
    : samples_(samples),
      batch_(std::min(batch, samples)),
      steps_(drop_last ? samples / batch_ : (samples + batch_ - 1) / batch_),
      seed_(seed),
      stream_(stream) {}

std::vector<std::int64_t> EpochBatches::operator()(std::int64_t epoch, std::int64_t step) {
  if (epoch != epoch_) {
    order_ = EpochOrder(samples_, seed_, stream_, epoch);
    epoch_ = epoch;
  }
  const auto first = order_.begin() + step * batch_;
  return {first, order_.begin() + std::min((step + 1) * batch_, samples_)};
}

Course CosineCourse(const std::string& label, const EpochBatches& batches, std::int64_t epochs,
                    double lr) {
  Course course;
  course.label = label;
  course.epochs = epochs;
  course.steps = batches.steps();
  course.batch = batches;
  course.rate = [lr, all = epochs * course.steps](std::int64_t step) {
    return CosineRate(lr, step, all);
  };
  return course;
}

}  // namespace clipsweep
