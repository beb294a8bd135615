// What ranks compute together equals, to the bit, what one process computes alone.
#include <gtest/gtest.h>

#include "finetune/trainer.h"
#include "sweep/grid_engine.h"
#include "tests/mpi/world.h"
#include "tests/support/problems.h"

namespace clipsweep {
namespace {

using testing::MakeSmallProblem;
using testing::World;

TEST(Stages, GridCountsAreThoseOfOneProcess) {
  const auto small = MakeSmallProblem(19, 4, 1100, 16);
  const std::vector<GridTask> tasks{
      {ShuffleRows(small.rows_by_class, 5), {1, 3}, Axis{0, 0.2, 20}, Axis{0.5, 0.3, 37}}};
  SelfComm self;
  const auto alone =
      CountGrid(small.problem, small.queries, tasks, Partition::kSamples, {"cpu", 1}, self, "t");
  for (const Partition partition : {Partition::kSamples, Partition::kGrid}) {
    const auto together =
        CountGrid(small.problem, small.queries, tasks, partition, {"cpu", 2}, World(), "t");
    EXPECT_EQ(alone[0].top1, together[0].top1);
    EXPECT_EQ(alone[0].top5, together[0].top5);
  }
  const TopCounts zero = CountZeroShot(small.problem, small.queries, {"cpu", 1}, World());
  EXPECT_EQ(zero.top1, CountZeroShot(small.problem, small.queries, {"cpu", 1}, self).top1);
}

TEST(Stages, TrainedKeysAreThoseOfOneProcess) {
  const auto small = MakeSmallProblem(37, 3, 300, 24, /*uneven=*/true);
  SelfComm self;
  Comm& world = World();
  Trainer alone(small.problem, small.rows_by_class, 1.5, 5.0, {"cpu", 1}, self);
  Trainer together(small.problem, small.rows_by_class, 1.5, 5.0, {"cpu", 2}, world);
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
  Trainer trainer(small.problem, small.rows_by_class, 1.0, 5.0, {"cpu", 1}, world);
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
