#include "common/compute/workers.h"
#include "common/process/liveness.h"

#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "common/process/error.h"
#include "common/process/signals.h"

namespace clipsweep {

struct WorkerPool::State {
  std::mutex mutex;
  std::condition_variable start, finished;
  std::uint64_t generation = 0;  // of Run calls
  bool stop = false;
  int running = 0;
  std::exception_ptr failure;
  const Work* work = nullptr;
  bool heeds_signals = true;
  std::int64_t count = 0;
  std::atomic<std::int64_t> next{0}, done{0};
  std::vector<std::jthread> threads;

  void TakeItems(int worker) {
    try {
      for (std::int64_t item = next++; item < count && !(heeds_signals && IsInterrupted());
           item = next++) {
        (*work)(item, worker);
        ++done;
        MadeProgress();
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
      next = count;
    }
  }

  void Loop(int worker) {
    at::set_num_threads(1);
    const c10::InferenceMode inference;
    std::uint64_t seen = 0;
    for (;;) {
      {
        std::unique_lock lock(mutex);
        start.wait(lock, [&] { return stop || generation != seen; });
        if (stop) return;
        seen = generation;
      }
      TakeItems(worker);
      const std::lock_guard lock(mutex);
      if (--running == 0) finished.notify_one();
    }
  }
};

WorkerPool::WorkerPool(int workers, Signals signals)
    : workers_(std::max(1, workers)), state_(std::make_unique<State>()) {
  state_->heeds_signals = signals == Signals::kHeed;
  try {
    for (int worker = 0; worker < workers_; ++worker) {
      state_->threads.emplace_back([this, worker] { state_->Loop(worker); });
    }
  } catch (const std::system_error&) {
    Stop();
    throw UsageError("--threads: the system allows no " + std::to_string(workers_) +
                     " threads here; give fewer");
  }
}

WorkerPool::~WorkerPool() { Stop(); }

void WorkerPool::Stop() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stop = true;
  }
  state_->start.notify_all();
}

void WorkerPool::Run(std::int64_t count, const Work& work, const Tick& tick,
                     std::chrono::milliseconds tick_every) {
  State& state = *state_;
  std::exception_ptr failure;
  {
    std::unique_lock lock(state.mutex);
    state.work = &work;
    state.count = count;
    state.next = 0;
    state.done = 0;
    state.failure = nullptr;
    state.running = workers_;
    ++state.generation;
    state.start.notify_all();
    while (!state.finished.wait_for(lock, tick_every, [&] { return state.running == 0; })) {
      if (!tick) continue;
      lock.unlock();
      tick(state.done);
      lock.lock();
    }
    failure = state.failure;
  }
  if (failure) std::rethrow_exception(failure);
  if (state.heeds_signals) ThrowIfInterrupted();
  if (tick) tick(state.done);
}

}  // namespace clipsweep
