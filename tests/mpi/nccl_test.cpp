// NcclComm over a test double: its buffers are host memory and its collectives MPI's, so that what
// is tested is the waiting, the deadline, the abort and the order of calls.
#include "common/comm/nccl_comm.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>

#include "common/process/error.h"
#include "tests/mpi/world.h"

namespace clipsweep {
namespace {

using testing::World;

struct Script {
  int polls_until_done = 3;  // kWorking this many times after each start
  int fail_at_start = -1;    // the n-th collective fails asynchronously
  int hang_at_start = -1;    // the n-th collective never completes
};

struct Calls {
  int aborted = 0, destroyed = 0;
};

class FakeNccl final : public NcclBackend {
 public:
  FakeNccl(Comm& parent, Script script, Calls& calls)
      : parent_(parent), script_(script), calls_(calls) {}

  std::string NewUniqueId() override { return std::string("id\0with zero", 12); }
  void Join(const std::string& id, int size, int rank) override {
    EXPECT_EQ(id, NewUniqueId());
    EXPECT_EQ(size, parent_.size());
    EXPECT_EQ(rank, parent_.rank());
    polls_ = 0;
  }
  void StartAllReduce(const void* data, std::size_t count, Type type, Op op) override {
    Begin();
    if (type == Type::kInt64) {
      std::vector<std::int64_t> values(count);
      std::memcpy(values.data(), data, count * 8);
      op == Op::kSum ? parent_.SumInt64(values) : parent_.MaxInt64(values);
      Keep(values.data(), count * 8);
    } else {
      std::vector<float> values(count);
      std::memcpy(values.data(), data, count * 4);
      parent_.MaxFloat(values);
      Keep(values.data(), count * 4);
    }
  }
  void StartAllGather(const float* data, std::size_t count, int size) override {
    Begin();
    std::vector<float> all(count * static_cast<std::size_t>(size));
    parent_.AllGather({data, count}, all);
    Keep(all.data(), all.size() * 4);
  }
  State Poll(std::string& why) override {
    if (started_ == script_.hang_at_start) return State::kWorking;
    if (started_ == script_.fail_at_start) {
      why = "remote process exited";
      return State::kFailed;
    }
    return polls_++ < script_.polls_until_done ? State::kWorking : State::kDone;
  }
  void TakeResult(void* data, std::size_t bytes) override {
    ASSERT_EQ(bytes, result_.size());
    std::memcpy(data, result_.data(), bytes);
  }
  void Abort() override { ++calls_.aborted; }
  void Destroy() override { ++calls_.destroyed; }

 private:
  void Begin() {
    ++started_;
    polls_ = 0;
  }
  void Keep(const void* data, std::size_t bytes) {
    result_.assign(static_cast<const char*>(data), bytes);
  }

  Comm& parent_;
  Script script_;
  Calls& calls_;
  int polls_ = 0, started_ = 0;
  std::string result_;
};

constexpr std::chrono::milliseconds kDeadline{200};

TEST(Nccl, CollectivesEqualMpi) {
  Comm& world = World();
  Calls calls;
  {
    NcclComm comm(world, std::make_unique<FakeNccl>(world, Script{}, calls), kDeadline);
    EXPECT_EQ(comm.name(), "nccl");
    std::vector<std::int64_t> counts{comm.rank() + 1, 5};
    comm.SumInt64(counts);
    EXPECT_EQ(counts[1], 5 * world.size());
    std::vector<std::int64_t> most{comm.rank()};
    comm.MaxInt64(most);
    EXPECT_EQ(most[0], world.size() - 1);
    std::vector<float> floats{static_cast<float>(-comm.rank())};
    comm.MaxFloat(floats);
    EXPECT_EQ(floats[0], 0.0f);
    const std::vector<float> mine{static_cast<float>(comm.rank()), 9.0f};
    std::vector<float> all(2 * static_cast<std::size_t>(comm.size()));
    comm.AllGather(mine, all);
    for (int r = 0; r < comm.size(); ++r)
      EXPECT_EQ(all[2 * static_cast<std::size_t>(r)], static_cast<float>(r));
    EXPECT_EQ(comm.bytes_sent(), 16 + 4 + 8);  // the maximum of integers goes over the parent
  }
  EXPECT_EQ(calls.aborted, 0);
  EXPECT_EQ(calls.destroyed, 1);
}

std::string FailureOf(Script script, Calls& calls) {
  Comm& world = World();
  std::string message;
  {
    NcclComm comm(world, std::make_unique<FakeNccl>(world, script, calls), kDeadline);
    std::vector<std::int64_t> counts{1};
    comm.SumInt64(counts);
    try {
      comm.SumInt64(counts);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kInternal);
      message = error.what();
    }
  }
  world.Barrier();
  return message;
}

TEST(Nccl, AnAsynchronousErrorAbortsAndIsNamed) {
  Calls calls;
  Script script;
  script.fail_at_start = 2;
  EXPECT_NE(FailureOf(script, calls).find("remote process exited"), std::string::npos);
  EXPECT_EQ(calls.aborted, 1);
  EXPECT_EQ(calls.destroyed, 0);  // never destroyed after a failure
}

TEST(Nccl, AnotherErrorPassingThroughAborts) {
  Calls calls;
  try {
    NcclComm comm(World(), std::make_unique<FakeNccl>(World(), Script{}, calls), kDeadline);
    throw InputError("bad image");
  } catch (const Error&) {
  }
  EXPECT_EQ(calls.aborted, 1);
  EXPECT_EQ(calls.destroyed, 0);
}

TEST(Nccl, AHangEndsAtTheDeadline) {
  Calls calls;
  Script script;
  script.hang_at_start = 2;
  const auto started = std::chrono::steady_clock::now();
  EXPECT_NE(FailureOf(script, calls).find("within"), std::string::npos);
  EXPECT_GE(std::chrono::steady_clock::now() - started, kDeadline);
  EXPECT_EQ(calls.aborted, 1);
  EXPECT_EQ(calls.destroyed, 0);
}

}  // namespace
}  // namespace clipsweep
