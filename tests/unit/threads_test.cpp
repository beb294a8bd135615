// Workers, and the engine on several of them. ThreadSanitizer runs these and the image pipeline's.
#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#include "common/comm/comm.h"
#include "common/compute/workers.h"
#include "common/process/error.h"
#include "sweep/engine/grid_engine.h"
#include "tests/support/grid_checks.h"
#include "tests/support/problems.h"

namespace clipsweep {
namespace {

using testing::MakeSmallProblem;
using testing::SmallProblem;

TEST(WorkerPool, DoesEveryItemOnceAndCanRunAgain) {
  WorkerPool pool(3);
  for (int round = 0; round < 20; ++round) {
    std::vector<std::atomic<int>> seen(100);
    pool.Run(100, [&](std::int64_t item, int worker) {
      EXPECT_LT(worker, 3);
      ++seen[static_cast<std::size_t>(item)];
    });
    for (const auto& count : seen) EXPECT_EQ(count, 1);
  }
  pool.Run(0, [](std::int64_t, int) { FAIL(); });
}

TEST(WorkerPool, RethrowsAndStaysUsable) {
  WorkerPool pool(2);
  EXPECT_THROW(pool.Run(50,
                        [](std::int64_t item, int) {
                          if (item == 7) throw InputError("seven");
                        }),
               Error);
  int done = 0;
  pool.Run(1, [&](std::int64_t, int) { ++done; });
  EXPECT_EQ(done, 1);
}

TEST(EngineCounts, DependOnNeitherThreadsNorPartition) {
  const SmallProblem small = MakeSmallProblem(17, 4, 700, 16);
  const std::vector<GridTask> tasks{
      {small.rows_by_class, {2, 4}, Axis{0, 0.1, 50}, Axis{0.3, 0.2, 40}},
      {small.rows_by_class, {4}, Axis::Point(1.3), Axis::Point(5.0)}};
  SelfComm comm;
  const auto one = CountGrid(small.cache_model, small.queries, tasks,
                             testing::Pass(Partition::kSamples, 1), comm);
  for (const Partition partition : {Partition::kSamples, Partition::kGrid}) {
    const auto many =
        CountGrid(small.cache_model, small.queries, tasks, testing::Pass(partition, 3), comm);
    for (std::size_t t = 0; t < tasks.size(); ++t) {
      EXPECT_EQ(one[t].top1, many[t].top1);
      EXPECT_EQ(one[t].top5, many[t].top5);
    }
  }
}

}  // namespace
}  // namespace clipsweep
