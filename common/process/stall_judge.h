// Who has stalled: a rank that is silent, one that works without getting on, or all that wait for
// one another. Pure bookkeeping over heartbeats; watchdog.h sends and receives them.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "common/process/liveness.h"

namespace clipsweep {

class StallJudge {
 public:
  using Clock = std::chrono::steady_clock;
  // Rank 0 hears every rank, the others hear rank 0 and themselves.
  StallJudge(int rank, int size, Clock::duration limit, Clock::time_point now);

  // A heartbeat of `rank`, its own included.
  void Hear(int rank, const Liveness& beat, Clock::time_point now);
  // "" or one line that names the rank, the stage and how long. Call it every `limit` / 8 or more
  // often: a longer pause means that this process was stopped itself, and blames nobody for it.
  std::string Check(Clock::time_point now);

 private:
  struct Peer {
    Liveness beat;
    Clock::time_point heard, moved;
  };
  std::string Name(int rank) const;
  std::string Seconds(Clock::duration time) const;

  const int rank_, size_;
  const Clock::duration limit_;
  Clock::time_point checked_;
  std::vector<Peer> peers_;  // by rank
};

}  // namespace clipsweep
