// Collectives over NCCL. The waiting, the deadline and what happens on failure stand here and know
// no CUDA; NcclBackend hides the dozen NCCL and CUDA calls, so that CI runs this code with a test
// double.
//
// A communicator is non-blocking; every wait polls the stream and NCCL's asynchronous error
// together, with a deadline. On an error or at the deadline it is aborted, never destroyed, and the
// rank throws.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "common/comm/comm.h"

namespace clipsweep {

class NcclBackend {
 public:
  virtual ~NcclBackend() = default;

  enum class State { kWorking, kDone, kFailed };
  enum class Type { kInt64, kFloat };
  enum class Op { kSum, kMax };

  // Opaque bytes, made on rank 0 and given to all ranks.
  virtual std::string NewUniqueId() = 0;
  // Starts joining; Poll tells when it is done.
  virtual void Join(const std::string& id, int size, int rank) = 0;
  // Copies `data` [count] to the device and starts the collective. For AllGather `count` is per
  // rank.
  virtual void StartAllReduce(const void* data, std::size_t count, Type type, Op op) = 0;
  virtual void StartAllGather(const float* data, std::size_t count, int size) = 0;
  // Of what was started last; `why` is filled when it failed.
  virtual State Poll(std::string& why) = 0;
  // Copies the result of what was started last to the host.
  virtual void TakeResult(void* data, std::size_t bytes) = 0;
  virtual void Abort() = 0;
  virtual void Destroy() = 0;
};

class NcclComm final : public Comm {
 public:
  // `parent` carries the unique id, broadcasts and barriers, which hold no bulk data. Joins all its
  // ranks; throws InternalError when that fails or takes longer than `deadline`.
  NcclComm(Comm& parent, std::unique_ptr<NcclBackend> backend, std::chrono::milliseconds deadline);
  ~NcclComm() override;

  int rank() const override { return parent_.rank(); }
  int size() const override { return parent_.size(); }
  std::string name() const override { return "nccl"; }
  void SumInt64(std::span<std::int64_t> values) override;
  // Agreement, broadcasts and barriers, where ranks may wait long for a slow one, go over the
  // parent: they have no deadline. What follows them goes over NCCL.
  void MaxInt64(std::span<std::int64_t> values) override { parent_.MaxInt64(values); }
  void MaxFloat(std::span<float> values) override;
  void AllGather(std::span<const float> mine, std::span<float> all) override;
  std::vector<std::vector<std::int64_t>> Gather(std::span<const std::int64_t> mine) override {
    return parent_.Gather(mine);
  }
  void Broadcast(std::span<std::byte> bytes, int root) override { parent_.Broadcast(bytes, root); }
  void Barrier() override { parent_.Barrier(); }
  void Post(int to, std::int64_t value) override { parent_.Post(to, value); }
  bool Poll(int& from, std::int64_t& value) override { return parent_.Poll(from, value); }

 private:
  void Wait(const std::string& what);
  template <typename T>
  void Reduce(std::span<T> values, NcclBackend::Type type, NcclBackend::Op op, const char* what);

  Comm& parent_;
  std::unique_ptr<NcclBackend> backend_;
  std::chrono::milliseconds deadline_;
  bool usable_ = false;
};

}  // namespace clipsweep
