// The collective interface every stage is written against. SelfComm: one process, no MPI. MpiComm:
// Open MPI. NcclComm: NCCL between GPUs (nccl_comm.h). No floating-point sum is offered on purpose:
// a sum of floats depends on the order of ranks, so stages gather and add in a fixed order instead.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace clipsweep {

// Posted to rank 0 by a rank that fails alone.
inline constexpr std::int64_t kRankFailed = -3;

class Comm {
 public:
  virtual ~Comm() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  // "self", "mpi" or "nccl"
  virtual std::string name() const = 0;

  // In place, the same values on every rank afterwards. Every rank passes the same length.
  virtual void SumInt64(std::span<std::int64_t> values) = 0;
  virtual void MaxInt64(std::span<std::int64_t> values) = 0;
  virtual void MaxFloat(std::span<float> values) = 0;

  // all [size * mine.size()], rank-major. Every rank passes the same length.
  virtual void AllGather(std::span<const float> mine, std::span<float> all) = 0;
  // On rank 0 what every rank passed, rank-major, lengths free to differ; empty elsewhere.
  virtual std::vector<std::vector<std::int64_t>> Gather(std::span<const std::int64_t> mine) = 0;
  virtual void Broadcast(std::span<std::byte> bytes, int root) = 0;
  virtual void Barrier() = 0;

  // A number to one rank, which it finds with Poll. Neither waits for the other side.
  virtual void Post(int to, std::int64_t value) = 0;
  virtual bool Poll(int& from, std::int64_t& value) = 0;

  bool is_root() const { return rank() == 0; }
  // On rank 0: whether a rank has posted kRankFailed to whoever polled.
  bool rank_has_failed() const { return rank_has_failed_; }
  void NoteFailedRank() { rank_has_failed_ = true; }
  // Bytes this rank has passed into collectives; tests hold training steps to their promise with
  // it.
  std::int64_t bytes_sent() const { return bytes_sent_; }

 protected:
  std::int64_t bytes_sent_ = 0;
  bool rank_has_failed_ = false;
};

class SelfComm final : public Comm {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  std::string name() const override { return "self"; }
  void SumInt64(std::span<std::int64_t>) override {}
  void MaxInt64(std::span<std::int64_t>) override {}
  void MaxFloat(std::span<float>) override {}
  void AllGather(std::span<const float> mine, std::span<float> all) override;
  std::vector<std::vector<std::int64_t>> Gather(std::span<const std::int64_t> mine) override {
    return {{mine.begin(), mine.end()}};
  }
  void Broadcast(std::span<std::byte>, int) override {}
  void Barrier() override {}
  void Post(int, std::int64_t) override {}
  bool Poll(int&, std::int64_t&) override { return false; }
};

std::string BroadcastString(Comm& comm, const std::string& text, int root = 0);

// Runs `work` on every rank and lets all ranks know how it went: if any rank threw, every rank
// throws AgreedError with the message of the lowest failing rank. Use it around whatever each rank
// does alone (reading files, checking input) before ranks wait for one another.
void Agree(Comm& comm, const std::function<void()>& work);

// Work items [0, count) of this rank when they are dealt out in turn.
std::vector<std::int64_t> ItemsOfRank(std::int64_t count, const Comm& comm);

}  // namespace clipsweep
