#include "common/comm/nccl_comm.h"

#include <fmt/core.h>

#include <exception>
#include <thread>

#include "common/process/error.h"
#include "common/process/liveness.h"

namespace clipsweep {
namespace {

// Polls without sleeping at first, as small collectives take microseconds, then leaves the core to
// others.
constexpr auto kSpin = std::chrono::milliseconds(2);
constexpr auto kNap = std::chrono::microseconds(200);

}  // namespace

NcclComm::NcclComm(Comm& parent, std::unique_ptr<NcclBackend> backend,
                   std::chrono::milliseconds deadline)
    : parent_(parent), backend_(std::move(backend)), deadline_(deadline) {
  const std::string id = BroadcastString(parent_, parent_.is_root() ? backend_->NewUniqueId() : "");
  usable_ = true;
  backend_->Join(id, parent_.size(), parent_.rank());
  Wait("joining");
}

NcclComm::~NcclComm() {
  if (!usable_) return;
  // While an error passes through, other ranks may be anywhere: nothing that waits for them.
  if (std::uncaught_exceptions() > 0) {
    backend_->Abort();
  } else {
    backend_->Destroy();
  }
}

void NcclComm::Wait(const std::string& what) {
  const WaitingForRanks waiting;
  const auto started = std::chrono::steady_clock::now();
  for (;;) {
    std::string why;
    const NcclBackend::State state = backend_->Poll(why);
    if (state == NcclBackend::State::kDone) return;
    const auto waited = std::chrono::steady_clock::now() - started;
    if (state == NcclBackend::State::kWorking && waited < deadline_) {
      if (waited > kSpin) std::this_thread::sleep_for(kNap);
      continue;
    }
    usable_ = false;
    backend_->Abort();
    if (state == NcclBackend::State::kWorking) {
      why = fmt::format("no answer from the other ranks within {} s",
                        std::chrono::duration<double>(deadline_).count());
    }
    throw InternalError(
        fmt::format("NCCL {} failed: {}; look for a lost rank, or run with --comm mpi", what, why));
  }
}

template <typename T>
void NcclComm::Reduce(std::span<T> values, NcclBackend::Type type, NcclBackend::Op op,
                      const char* what) {
  if (values.empty()) return;
  bytes_sent_ += static_cast<std::int64_t>(values.size_bytes());
  backend_->StartAllReduce(values.data(), values.size(), type, op);
  Wait(what);
  backend_->TakeResult(values.data(), values.size_bytes());
}

void NcclComm::SumInt64(std::span<std::int64_t> values) {
  Reduce(values, NcclBackend::Type::kInt64, NcclBackend::Op::kSum, "sum");
}

void NcclComm::MaxFloat(std::span<float> values) {
  Reduce(values, NcclBackend::Type::kFloat, NcclBackend::Op::kMax, "maximum");
}

void NcclComm::AllGather(std::span<const float> mine, std::span<float> all) {
  if (mine.empty()) return;
  bytes_sent_ += static_cast<std::int64_t>(mine.size_bytes());
  backend_->StartAllGather(mine.data(), mine.size(), size());
  Wait("gather");
  backend_->TakeResult(all.data(), all.size_bytes());
}

}  // namespace clipsweep
