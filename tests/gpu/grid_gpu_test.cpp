// The grid kernel on a GPU; skipped where there is none.
#include <gtest/gtest.h>

#include "common/compute/cuda_plugin.h"
#include "tests/support/grid_checks.h"

namespace clipsweep {
namespace {

class GridOnGpu : public ::testing::TestWithParam<Partition> {
 protected:
  void SetUp() override {
    const CudaPlugin* plugin = CudaPlugin::Load();
    if (plugin == nullptr) GTEST_SKIP() << "no GPU: " << CudaPlugin::WhyNot();
    if (plugin->device_count() == 0) GTEST_SKIP() << "no GPU is visible here";
  }
  static PassOptions Pass() {
    PassOptions pass = testing::Pass(GetParam(), 1);
    pass.compute.device = "cuda:0";
    return pass;
  }
};

TEST_P(GridOnGpu, CountsEqualTheFormulaAtEveryPoint) {
  testing::CheckFormula(Pass(), false);
  testing::CheckFormula(Pass(), true);
}
TEST_P(GridOnGpu, ExactAlphaIsReachedAndNeverBelowTheGrid) { testing::CheckExactAlpha(Pass()); }
TEST_P(GridOnGpu, HoldsAtTheEdges) { testing::CheckEdges(Pass()); }

// Large enough that many thread blocks add to the same counts: the same every time, and within
// 0.02 % of the CPU's.
TEST_P(GridOnGpu, RepeatsItselfAndAgreesWithTheCpu) {
  const auto small = testing::MakeSmallProblem(300, 16, 20'000, 64);
  const std::vector<GridTask> tasks{
      {small.rows_by_class, {1, 16}, {0.5, 0.02, 100}, {3, 0.1, 40}, true}};
  SelfComm comm;
  const auto first = CountGrid(small.cache_model, small.queries, tasks, Pass(), comm);
  const auto again = CountGrid(small.cache_model, small.queries, tasks, Pass(), comm);
  const auto cpu =
      CountGrid(small.cache_model, small.queries, tasks, testing::Pass(GetParam(), 8), comm);
  EXPECT_EQ(first[0].top1, again[0].top1);
  EXPECT_EQ(first[0].top5, again[0].top5);
  for (std::size_t i = 0; i < cpu[0].top1.size(); ++i) {
    EXPECT_LE(std::abs(first[0].top1[i] - cpu[0].top1[i]), 4) << i;
    EXPECT_LE(std::abs(first[0].top5[i] - cpu[0].top5[i]), 4) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Partitions, GridOnGpu,
                         ::testing::Values(Partition::kSamples, Partition::kGrid));

}  // namespace
}  // namespace clipsweep
