#include "common/process/stall_judge.h"

#include <fmt/core.h>

#include <algorithm>

#include "common/process/log.h"

namespace clipsweep {

StallJudge::StallJudge(int rank, int size, Clock::duration limit, Clock::time_point now)
    : rank_(rank), size_(size), limit_(limit), checked_(now) {
  peers_.resize(static_cast<std::size_t>(size), {{}, now, now});
}

void StallJudge::Hear(int rank, const Liveness& beat, Clock::time_point now) {
  Peer& peer = peers_.at(static_cast<std::size_t>(rank));
  peer.heard = now;
  if (beat.progress != peer.beat.progress || beat.waiting != peer.beat.waiting) peer.moved = now;
  peer.beat = beat;
}

std::string StallJudge::Check(Clock::time_point now) {
  const Clock::duration pause = now - checked_;
  checked_ = now;
  if (pause > limit_ / 2) {  // this process was stopped: give everybody that time
    for (Peer& peer : peers_) {
      peer.heard += pause;
      peer.moved += pause;
    }
  }
  bool all_wait = true;
  Clock::time_point last_moved = checked_ - 2 * limit_;
  for (int rank = 0; rank < size_; ++rank) {
    if (rank_ != 0 && rank != 0 && rank != rank_) continue;
    const Peer& peer = peers_[static_cast<std::size_t>(rank)];
    const std::string stage = peer.beat.stage.empty() ? "start" : Printable(peer.beat.stage);
    if (now - peer.heard > limit_) {
      return fmt::format(
          "{} has not been heard of for {}, last in '{}': it hangs, or its host or the network is "
          "lost; run again to go on from what is on disk",
          Name(rank), Seconds(now - peer.heard), stage);
    }
    if (!peer.beat.waiting && now - peer.moved > limit_) {
      return fmt::format(
          "{} has not got on for {} in '{}'; look at its disk and GPU, run again to go on from "
          "what is on disk, or raise --stall-timeout",
          Name(rank), Seconds(now - peer.moved), stage);
    }
    all_wait = all_wait && peer.beat.waiting;
    last_moved = std::max(last_moved, peer.moved);
  }
  if (rank_ == 0 && all_wait && now - last_moved > limit_) {
    return fmt::format("all ranks wait for one another since {} in '{}'; run again with --comm mpi",
                       Seconds(now - last_moved), Printable(peers_[0].beat.stage));
  }
  return "";
}

std::string StallJudge::Name(int rank) const {
  return size_ > 1 ? fmt::format("rank {} of {}", rank, size_) : "the process";
}

std::string StallJudge::Seconds(Clock::duration time) const {
  return fmt::format("{:.0f} s", std::chrono::duration<double>(time).count());
}

}  // namespace clipsweep
