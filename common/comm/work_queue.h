// Deals the items [0, count) to ranks as they ask for them, so that a slow rank does not hold the
// others. Rank 0 keeps the counter; asking and answering are messages of eight bytes that only main
// threads send.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "common/comm/comm.h"

namespace clipsweep {

class WorkQueue {
 public:
  // `skip` [count]: items that are done already; only rank 0's list counts. Empty: none.
  WorkQueue(Comm& comm, std::int64_t count, std::vector<bool> skip = {});

  // Any thread: the next item of this rank, -1 when there is none left. Waits for the main thread.
  std::int64_t Take();
  // Any thread: no rank is given further items. What this rank was doing has failed.
  void Abandon();

  // Main thread, in place of Take, for who cannot wait: the next item of this rank where it is
  // known already. Between calls that want one and the item, Serve must be called.
  std::optional<std::int64_t> TryTake();
  // Whether this rank knows that nothing is left for it.
  bool is_over() const;

  // Main thread, every few milliseconds while workers take items: asks, answers.
  void Serve();
  // Main thread, on every rank, after its workers have ended: rank 0 answers until all ranks know
  // that nothing is left.
  void Finish();

  // Whether this rank keeps the counter and must go on serving until Finish.
  bool is_dealer() const { return comm_.is_root(); }
  // Items dealt or skipped so far; known on rank 0.
  std::int64_t dealt() const;
  std::int64_t count() const { return count_; }

 private:
  std::int64_t Next();
  bool Answer();
  void Hand(std::int64_t item);

  Comm& comm_;
  const std::int64_t count_;
  const std::vector<bool> skip_;
  int waiting_ranks_ = 0;  // rank 0: those not yet told that nothing is left
  bool asked_ = false;     // other ranks: an answer is on its way
  mutable std::mutex mutex_;
  std::condition_variable filled_;
  std::int64_t next_ = 0;  // rank 0: the next item to deal
  std::deque<std::int64_t> items_;
  std::int64_t hungry_ = 0;  // threads in Take
  bool none_left_ = false, abandoned_ = false;
};

// work(item, worker) on `workers` threads for the items this rank is dealt; `tick` as in WorkerPool
// with the number of items dealt to all ranks (on rank 0). Collective. A throw anywhere ends the
// dealing everywhere and is rethrown on its own rank: call it within Agree.
void RunQueue(WorkQueue& queue, int workers,
              const std::function<void(std::int64_t item, int worker)>& work,
              const std::function<void(std::int64_t dealt)>& tick);

}  // namespace clipsweep
