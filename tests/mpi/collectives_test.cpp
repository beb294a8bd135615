#include <gtest/gtest.h>

#include "common/comm/message.h"
#include "common/comm/work_queue.h"
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

TEST(Messages, ArriveAsTheyWerePut) {
  Comm& world = World();
  struct Pair {
    std::int32_t number;
    float value;
  };
  Message mine;
  mine.PutText("rank \xc3\xa9 " + std::to_string(world.rank()));
  mine.Put(std::int64_t{world.rank()});
  const std::vector<Pair> pairs(static_cast<std::size_t>(world.rank()), Pair{world.rank(), 0.5F});
  mine.PutAll(std::span<const Pair>(pairs));
  const auto all = GatherMessages(world, mine);
  EXPECT_EQ(all.size(), world.is_root() ? static_cast<std::size_t>(world.size()) : 0U);
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    MessageReader reader(all[rank]);
    EXPECT_EQ(reader.TakeText(), "rank \xc3\xa9 " + std::to_string(rank));
    EXPECT_EQ(reader.Take<std::int64_t>(), static_cast<std::int64_t>(rank));
    const auto theirs = reader.TakeAll<Pair>();
    ASSERT_EQ(theirs.size(), rank);
    for (const Pair& pair : theirs) EXPECT_EQ(pair.number, static_cast<std::int32_t>(rank));
    EXPECT_TRUE(reader.done());
    EXPECT_THROW(reader.Take<char>(), Error);
  }
}

// As an extraction takes them: on the main thread, which does other things between.
TEST(WorkQueue, DealsEachItemOnceToWhoDoesNotWait) {
  Comm& world = World();
  constexpr std::int64_t kItems = 57;
  std::vector<bool> skip(kItems, false);
  skip[0] = skip[20] = skip[56] = true;
  WorkQueue queue(world, kItems, skip);
  std::vector<std::int64_t> taken(kItems, 0);
  while (!queue.is_over()) {
    queue.Serve();
    if (const auto item = queue.TryTake()) ++taken[static_cast<std::size_t>(*item)];
  }
  queue.Finish();
  world.SumInt64(taken);
  for (std::int64_t item = 0; item < kItems; ++item) {
    EXPECT_EQ(taken[static_cast<std::size_t>(item)], skip[static_cast<std::size_t>(item)] ? 0 : 1);
  }
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
