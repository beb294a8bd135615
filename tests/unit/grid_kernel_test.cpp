// The GPU's way of counting, run on the CPU: tests/gpu runs the same checks with the kernel itself.
#include "sweep/engine/grid_kernel.h"

#include <gtest/gtest.h>

#include "common/process/error.h"
#include "tests/support/grid_checks.h"
#include "tests/support/host_launch.h"

namespace clipsweep {
namespace {

using testing::HostLaunch;

class GridKernel : public ::testing::TestWithParam<Partition> {
 protected:
  static PassOptions Pass() {
    PassOptions pass = testing::Pass(GetParam(), 1);
    pass.grid_launch = HostLaunch<7>;
    return pass;
  }
};

TEST_P(GridKernel, CountsEqualTheFormulaAtEveryPoint) {
  testing::CheckFormula(Pass(), false);
  testing::CheckFormula(Pass(), true);
}
TEST_P(GridKernel, ExactAlphaIsReachedAndNeverBelowTheGrid) { testing::CheckExactAlpha(Pass()); }
TEST_P(GridKernel, HoldsAtTheEdges) { testing::CheckEdges(Pass()); }

INSTANTIATE_TEST_SUITE_P(Partitions, GridKernel,
                         ::testing::Values(Partition::kSamples, Partition::kGrid));

// Whatever the number of threads, and with fewer betas a thread block where alphas are many.
TEST(GridKernelChunks, GiveTheSameCounts) {
  const auto small = testing::MakeSmallProblem(40, 3, 60, 12);
  std::vector<GridTask> tasks{{small.rows_by_class, {1, 3}, {0, 0.01, 700}, {0.5, 0.3, 37}, true}};
  EXPECT_EQ(MostBetas(700, kSharedBytes), 16);
  EXPECT_EQ(MostBetas(2000, kSharedBytes), 8);
  EXPECT_EQ(MostBetas(20'000, kSharedBytes), 1);
  EXPECT_EQ(MostBetas(40'000, kSharedBytes), 0);
  SelfComm comm;
  const auto count = [&](GridLaunch launch) {
    PassOptions pass = testing::Pass(Partition::kSamples, 1);
    pass.grid_launch = launch;
    return CountGrid(small.cache_model, small.queries, tasks, pass, comm);
  };
  const auto whole = count(HostLaunch<64>);
  const GridLaunch in_fours = [](const GridKernelArgs& args, int device) {
    GridKernelArgs fours = args;
    fours.chunk = 4;
    return HostLaunch<3>(fours, device);
  };
  const auto fours = count(in_fours);
  EXPECT_EQ(whole[0].top1, fours[0].top1);
  EXPECT_EQ(whole[0].top5, fours[0].top5);
  for (std::size_t row = 0; row < whole[0].exact.size(); ++row) {
    EXPECT_EQ(whole[0].exact[row].top1, fours[0].exact[row].top1);
    EXPECT_EQ(whole[0].exact[row].low, fours[0].exact[row].low);
  }
  tasks[0].alpha = {0, 1e-4, 40'000};  // too many for a GPU: the CPU counts them
  tasks[0].beta = Axis::Point(2);
  const auto many = count([](const GridKernelArgs&, int) { return "must not be launched"; });
  EXPECT_EQ(many[0].top1.size(), 80'000u);
}

TEST(GridKernelFailure, IsNamed) {
  const auto small = testing::MakeSmallProblem(4, 2, 5, 8);
  PassOptions pass = testing::Pass(Partition::kSamples, 1);
  pass.grid_launch = [](const GridKernelArgs&, int) { return "out of luck"; };
  SelfComm comm;
  try {
    CountGrid(small.cache_model, small.queries,
              {{small.rows_by_class, {2}, Axis::Point(1), Axis::Point(1)}}, pass, comm);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("out of luck"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace clipsweep
