// W worker threads that take items in turn. Whatever an item computes must depend on the item
// alone: then results do not depend on W. Inside a worker LibTorch runs on one thread for the same
// reason (oneDNN's convolutions give other bits on another number of threads).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

namespace clipsweep {

class WorkerPool {
 public:
  // kHeed: a signal ends Run between items with Interrupted. kIgnore: items are finished, the
  // caller looks at signals where all ranks can.
  enum class Signals { kHeed, kIgnore };
  explicit WorkerPool(int workers, Signals signals = Signals::kHeed);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  using Work = std::function<void(std::int64_t item, int worker)>;
  using Tick = std::function<void(std::int64_t done)>;

  // Calls work(item, worker) for every item in [0, count), one call per worker at a time, and
  // returns when all are done. `tick`, called on the calling thread every `tick_every`, gets the
  // number of items done. A throw in any call ends the rest early and is rethrown here; so is
  // Interrupted.
  void Run(std::int64_t count, const Work& work, const Tick& tick = {},
           std::chrono::milliseconds tick_every = std::chrono::milliseconds(100));

 private:
  void Stop();

  struct State;
  int workers_;
  std::unique_ptr<State> state_;
};

}  // namespace clipsweep
