// What ranks compute together equals, to the bit, what one process computes alone.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>

#include "common/comm/work_queue.h"
#include "common/process/error.h"
#include "finetune/training/key_trainer.h"
#include "sweep/engine/grid_engine.h"
#include "sweep/engine/zero_shot.h"
#include "tests/mpi/world.h"
#include "tests/support/problems.h"
#include "tests/support/random_problems.h"

namespace clipsweep {
namespace {

using testing::MakeSmallProblem;
using testing::World;

void ExpectSame(const GridCounts& alone, const GridCounts& together) {
  EXPECT_EQ(alone.top1, together.top1);
  EXPECT_EQ(alone.top5, together.top5);
  if (!World().is_root()) return;
  ASSERT_EQ(alone.exact.size(), together.exact.size());
  for (std::size_t row = 0; row < alone.exact.size(); ++row) {
    EXPECT_EQ(alone.exact[row].top1, together.exact[row].top1);
    EXPECT_EQ(alone.exact[row].low, together.exact[row].low);
    EXPECT_EQ(alone.exact[row].high, together.exact[row].high);
  }
}

TEST(Stages, GridCountsAreThoseOfOneProcess) {
  // Of 19 classes, two tiles, some ranks hold none; of 100, seven.
  for (const std::int64_t classes : {19, 100}) {
    const auto small = MakeSmallProblem(classes, 4, 1100, 16, /*uneven=*/classes == 100);
    const std::vector<GridTask> tasks{
        {ShuffleRows(small.rows_by_class, 5), {1, 3}, Axis{0, 0.2, 20}, Axis{0.5, 0.3, 37}, true},
        {small.rows_by_class, {4}, Axis{-1, 0.2, 20}, Axis{0, 2.5, 5}, true}};
    SelfComm self;
    const auto alone = CountGrid(small.cache_model, small.queries, tasks,
                                 testing::Pass(Partition::kSamples, 1), self);
    const CacheModel share =
        testing::ShareOf(small.cache_model, tasks, World().rank(), World().size());
    for (const Partition partition : {Partition::kSamples, Partition::kGrid, Partition::kClasses}) {
      const CacheModel& cache_model = partition == Partition::kClasses ? share : small.cache_model;
      const auto together =
          CountGrid(cache_model, small.queries, tasks, testing::Pass(partition, 2), World());
      for (std::size_t t = 0; t < tasks.size(); ++t) ExpectSame(alone[t], together[t]);
    }
  }
  const auto small = MakeSmallProblem(19, 4, 1100, 16);
  SelfComm self;
  const TopCounts zero = CountZeroShot(small.cache_model, small.queries, {"cpu", 1}, World());
  EXPECT_EQ(zero.top1, CountZeroShot(small.cache_model, small.queries, {"cpu", 1}, self).top1);
}

// Over random problems (tests/unit holds one process to the formula on the same ones).
TEST(Stages, RandomProblemsCountAsInOneProcess) {
  SelfComm self;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const testing::RandomProblem random = testing::MakeRandomProblem(seed);
    const CacheModel& whole = random.small.cache_model;
    const std::vector<GridTask> tasks{random.task};
    const auto alone =
        CountGrid(whole, random.small.queries, tasks, testing::Pass(Partition::kSamples, 1), self);
    const CacheModel share = testing::ShareOf(whole, tasks, World().rank(), World().size());
    for (const Partition partition : {Partition::kSamples, Partition::kGrid, Partition::kClasses}) {
      SCOPED_TRACE(random.what + ", --partition " + PartitionName(partition));
      const auto together =
          CountGrid(partition == Partition::kClasses ? share : whole, random.small.queries, tasks,
                    testing::Pass(partition, 1), World());
      ExpectSame(alone[0], together[0]);
    }
  }
}

// Whole tiles, every class once, as many keys each as tiles allow.
TEST(Stages, ClassesAreSharedOutByTheirKeys) {
  const auto small = MakeSmallProblem(500, 9, 1, 4, /*uneven=*/true);
  const std::vector<bool> used(small.cache_model.key_labels.size(), true);
  for (int size = 1; size <= 40; ++size) {
    std::int64_t next = 0;
    for (int rank = 0; rank < size; ++rank) {
      const ClassRange range = ShareOfClasses(small.cache_model, used, rank, size);
      if (range.first == range.last) continue;
      EXPECT_EQ(range.first, next);
      EXPECT_EQ(range.first % kTileClasses, 0);
      EXPECT_LE(range.last - range.first, 2 * kTileClasses + 500 / size);
      next = range.last;
    }
    EXPECT_EQ(next, 500);
  }
}

// Every item once; a rank that is slow gets fewer.
TEST(WorkQueue, DealsEveryItemOnceAndSkips) {
  Comm& world = World();
  for (int round = 0; round < 2; ++round) {
    constexpr std::int64_t kItems = 120;
    std::vector<bool> skip(kItems, false);
    skip[7] = skip[119] = true;
    std::vector<std::int64_t> taken(kItems, 0);
    std::int64_t mine = 0;
    std::mutex mutex;
    WorkQueue queue(world, kItems, skip);
    RunQueue(
        queue, 2,
        [&](std::int64_t item, int) {
          std::this_thread::sleep_for(std::chrono::milliseconds(world.is_root() ? 40 : 8));
          const std::lock_guard lock(mutex);
          ++taken[static_cast<std::size_t>(item)];
          ++mine;
        },
        [](std::int64_t) {});
    world.SumInt64(taken);
    for (std::size_t i = 0; i < kItems; ++i) EXPECT_EQ(taken[i], skip[i] ? 0 : 1) << i;
    const std::int64_t fair = 118 / world.size();
    EXPECT_TRUE(world.size() == 1 || !world.is_root() || mine < fair) << mine;
  }
}

TEST(WorkQueue, AFailureAnywhereEndsTheDealing) {
  Comm& world = World();
  for (int failing = 0; failing < world.size(); ++failing) {
    std::atomic<int> done = 0;
    EXPECT_THROW(Agree(world,
                       [&] {
                         WorkQueue queue(world, 100'000);
                         RunQueue(
                             queue, 2,
                             [&](std::int64_t, int) {
                               std::this_thread::sleep_for(std::chrono::milliseconds(1));
                               if (++done > 20 && world.rank() == failing) {
                                 throw InternalError("on purpose");
                               }
                             },
                             [](std::int64_t) {});
                       }),
                 AgreedError);
    EXPECT_LT(done, 5000);
    world.Barrier();
  }
}

// Messages of different lengths, in the order of ranks.
TEST(Gather, BringsEveryRanksNumbersToRankZero) {
  Comm& world = World();
  const std::vector<std::int64_t> mine(static_cast<std::size_t>(world.rank() * 3), world.rank());
  const auto all = world.Gather(mine);
  if (!world.is_root()) return;
  ASSERT_EQ(all.size(), static_cast<std::size_t>(world.size()));
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    EXPECT_EQ(all[rank], std::vector<std::int64_t>(rank * 3, static_cast<std::int64_t>(rank)));
  }
}

TEST(Stages, TrainedKeysAreThoseOfOneProcess) {
  const auto small = MakeSmallProblem(37, 3, 300, 24, /*uneven=*/true);
  SelfComm self;
  Comm& world = World();
  KeyTrainer alone(small.cache_model, small.rows_by_class, 1.5, 5.0, {"cpu", 1}, self);
  KeyTrainer together(small.cache_model, small.rows_by_class, 1.5, 5.0, {"cpu", 2}, world);
  for (int step = 0; step < 12; ++step) {
    std::vector<std::int64_t> batch;
    for (std::int64_t i = step; i < alone.samples(); i += 3) batch.push_back(i);
    const double a = alone.Step(batch, {}, 1e-2), b = together.Step(batch, {}, 1e-2);
    ASSERT_EQ(a, b) << "step " << step;
  }
  EXPECT_EQ(alone.GatherKeys(), together.GatherKeys());
  const TopCounts a = alone.Evaluate(small.queries), b = together.Evaluate(small.queries);
  EXPECT_EQ(a.top1, b.top1);
  EXPECT_EQ(a.top5, b.top5);
}

// The promise: a step passes under 64 kB per rank at batch 256, also with 1000 classes.
TEST(Stages, AStepCommunicatesLittle) {
  const auto small = MakeSmallProblem(1000, 1, 1, 8);
  Comm& world = World();
  KeyTrainer trainer(small.cache_model, small.rows_by_class, 1.0, 5.0, {"cpu", 1}, world);
  std::vector<std::int64_t> batch;
  for (std::int64_t i = 0; i < 256; ++i) batch.push_back(i * 3);
  const std::int64_t before = world.bytes_sent();
  trainer.Step(batch, {}, 1e-3);
  const std::int64_t sent = world.bytes_sent() - before;
  EXPECT_LT(sent, 64 * 1024);
  EXPECT_GE(sent, world.size() > 1 ? 1 : 0);
}

}  // namespace
}  // namespace clipsweep
