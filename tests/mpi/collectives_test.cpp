#include <gtest/gtest.h>

#include "common/process/error.h"
#include "tests/mpi/world.h"

namespace clipsweep {
namespace {

using testing::World;

TEST(Collectives, SumMaxGatherBroadcast) {
  Comm& comm = World();
  std::vector<std::int64_t> counts{1, comm.rank(), 1LL << 40};
  comm.SumInt64(counts);
  EXPECT_EQ(counts[0], comm.size());
  EXPECT_EQ(counts[1], comm.size() * (comm.size() - 1) / 2);
  EXPECT_EQ(counts[2], comm.size() * (1LL << 40));
  std::vector<float> most{static_cast<float>(comm.rank()), -1.0f};
  comm.MaxFloat(most);
  EXPECT_EQ(most[0], static_cast<float>(comm.size() - 1));
  const std::vector<float> mine(3, static_cast<float>(comm.rank()));
  std::vector<float> all(3 * static_cast<std::size_t>(comm.size()));
  comm.AllGather(mine, all);
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i], static_cast<float>(i / 3));
  EXPECT_EQ(BroadcastString(comm, comm.is_root() ? "hello" : "ignored"), "hello");
}

TEST(Agree, EveryRankLearnsTheLowestFailure) {
  Comm& comm = World();
  for (int bad = 0; bad < comm.size(); ++bad) {
    try {
      Agree(comm, [&] {
        if (comm.rank() >= bad) throw InputError("rank " + std::to_string(comm.rank()));
      });
      ADD_FAILURE();
    } catch (const AgreedError& error) {
      EXPECT_EQ(error.code(), ExitCode::kBadInput);
      EXPECT_EQ(std::string(error.what()), "rank " + std::to_string(bad));
    }
  }
  Agree(comm, [] {});
}

TEST(Items, AreDealtOutOnce) {
  Comm& comm = World();
  std::vector<std::int64_t> taken(10, 0);
  for (const std::int64_t item : ItemsOfRank(10, comm)) ++taken[static_cast<std::size_t>(item)];
  comm.SumInt64(taken);
  for (const std::int64_t count : taken) EXPECT_EQ(count, 1);
}

}  // namespace
}  // namespace clipsweep
