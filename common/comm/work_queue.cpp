#include "common/comm/work_queue.h"

#include <chrono>
#include <exception>
#include <thread>

#include "common/compute/workers.h"
#include "common/process/liveness.h"
#include "common/process/signals.h"

namespace clipsweep {
namespace {

constexpr std::int64_t kAsk = -2, kNone = -1;

}  // namespace

WorkQueue::WorkQueue(Comm& comm, std::int64_t count, std::vector<bool> skip)
    : comm_(comm), count_(count), skip_(std::move(skip)), waiting_ranks_(comm.size() - 1) {}

std::int64_t WorkQueue::Next() {
  while (next_ < count_ && !skip_.empty() && skip_[static_cast<std::size_t>(next_)]) ++next_;
  return next_ < count_ ? next_++ : kNone;
}

std::int64_t WorkQueue::Take() {
  std::unique_lock lock(mutex_);
  if (comm_.is_root()) return abandoned_ ? kNone : Next();
  ++hungry_;
  filled_.wait(lock, [&] { return !items_.empty() || none_left_ || abandoned_; });
  --hungry_;
  if (abandoned_ || items_.empty()) return kNone;
  const std::int64_t item = items_.front();
  items_.pop_front();
  return item;
}

std::optional<std::int64_t> WorkQueue::TryTake() {
  const std::lock_guard lock(mutex_);
  if (comm_.is_root()) {
    const std::int64_t item = abandoned_ ? kNone : Next();
    none_left_ = item == kNone;
    return none_left_ ? std::nullopt : std::optional(item);
  }
  if (items_.empty()) return std::nullopt;
  const std::int64_t item = items_.front();
  items_.pop_front();
  return item;
}

bool WorkQueue::is_over() const {
  const std::lock_guard lock(mutex_);
  return items_.empty() && none_left_;
}

std::int64_t WorkQueue::dealt() const {
  const std::lock_guard lock(mutex_);
  return next_;
}

void WorkQueue::Abandon() {
  const std::lock_guard lock(mutex_);
  abandoned_ = true;
  filled_.notify_all();
}

void WorkQueue::Hand(std::int64_t item) {
  const std::lock_guard lock(mutex_);
  if (item == kNone) {
    none_left_ = true;
    filled_.notify_all();
  } else {
    items_.push_back(item);
    filled_.notify_one();
  }
}

// Rank 0: answers one message, if there is one.
bool WorkQueue::Answer() {
  int source = 0;
  std::int64_t message = 0;
  if (!comm_.Poll(source, message)) return false;
  std::int64_t item = kNone;
  {
    const std::lock_guard lock(mutex_);
    if (message == kRankFailed) comm_.NoteFailedRank();
    if (message == kRankFailed || abandoned_) next_ = count_;
    if (message == kAsk) item = Next();
  }
  if (item == kNone) --waiting_ranks_;
  if (message == kAsk) comm_.Post(source, item);
  return true;
}

void WorkQueue::Serve() {
  if (comm_.is_root()) {
    while (Answer()) {
    }
    return;
  }
  int source = 0;
  std::int64_t item = 0;
  if (asked_ && comm_.Poll(source, item)) {
    asked_ = false;
    Hand(item);
  }
  const std::lock_guard lock(mutex_);
  // One item ahead hides the way to rank 0 and back.
  const bool wants = !none_left_ && static_cast<std::int64_t>(items_.size()) < hungry_ + 1;
  if (!asked_ && wants && !abandoned_) {
    comm_.Post(0, kAsk);
    asked_ = true;
  }
}

void WorkQueue::Finish() {
  const auto over = [&] {
    if (comm_.is_root()) return waiting_ranks_ == 0;
    const std::lock_guard lock(mutex_);
    return none_left_;
  };
  const WaitingForRanks waiting;
  while (!over()) {
    if (comm_.is_root()) {
      if (Answer()) continue;
    } else {
      int source = 0;
      std::int64_t item = 0;
      if (!asked_) {  // left early: says so and expects no answer
        comm_.Post(0, kRankFailed);
        return;
      }
      if (comm_.Poll(source, item)) {
        asked_ = false;
        if (item == kNone) return;
        continue;
      }
    }
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
}

void RunQueue(WorkQueue& queue, int workers,
              const std::function<void(std::int64_t item, int worker)>& work,
              const std::function<void(std::int64_t dealt)>& tick) {
  const auto take_items = [&](std::int64_t, int worker) {
    try {
      for (std::int64_t item = queue.Take(); item >= 0; item = queue.Take()) {
        work(item, worker);
        MadeProgress();
        ThrowIfInterrupted();
      }
    } catch (...) {
      queue.Abandon();
      throw;
    }
  };
  std::exception_ptr failure;
  try {
    WorkerPool(workers).Run(
        workers, take_items,
        [&](std::int64_t) {
          queue.Serve();
          tick(queue.dealt());
        },
        std::chrono::milliseconds(2));
  } catch (...) {
    failure = std::current_exception();
    queue.Abandon();
  }
  queue.Finish();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace clipsweep
