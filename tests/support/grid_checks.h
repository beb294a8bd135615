// What any way of counting a grid must give: run with the CPU engine, the GPU kernel's phases on
// the CPU, and the kernel itself where there is a GPU.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "tests/support/problems.h"

namespace clipsweep::testing {

// Of all shots and points, by how many samples counts and the formula in double precision differ.
inline std::int64_t Differences(const SmallProblem& small, const GridTask& task,
                                const GridCounts& counts) {
  const GridCounts want = clipsweep::ReferenceCounts(small.cache_model, small.queries, task);
  std::int64_t off = counts.top1.size() == want.top1.size() ? 0 : INT64_MAX / 2;
  for (std::size_t at = 0; off < INT64_MAX / 4 && at < want.top1.size(); ++at) {
    off += std::abs(counts.top1[at] - want.top1[at]) + std::abs(counts.top5[at] - want.top5[at]);
  }
  return off;
}

// The formula at every point; axes of either sign and of one value; several tasks.
inline void CheckFormula(const PassOptions& pass, bool uneven) {
  const SmallProblem small = MakeSmallProblem(23, 5, 300, 24, uneven);
  const std::vector<GridTask> tasks{
      {ShuffleRows(small.rows_by_class, 11), {1, 3, 5}, {0.0, 1.5, 7}, {0.5, 0.75, 19}},
      {small.rows_by_class, {5}, {-9, 1.5, 9}, {0, 2.5, 3}},
      {ShuffleRows(small.rows_by_class, 3), {2}, Axis::Point(1.3), Axis::Point(5)}};
  SelfComm comm;
  const auto counts = CountGrid(small.cache_model, small.queries, tasks, pass, comm);
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    EXPECT_EQ(Differences(small, tasks[t], counts[t]), 0) << "task " << t;
  }
  // The grids are no constants.
  for (std::size_t t = 0; t < 2; ++t) {
    EXPECT_GT(std::count_if(counts[t].top1.begin(), counts[t].top1.end(),
                            [&](std::int64_t right) { return right != counts[t].top1[0]; }),
              8);
  }
}

// The best real alpha is no less than the grid's best, and is reached where it is said to be.
inline void CheckExactAlpha(const PassOptions& pass) {
  const SmallProblem small = MakeSmallProblem(17, 4, 300, 16);
  const std::int64_t alphas = 5;
  const std::vector<GridTask> tasks{
      {small.rows_by_class, {2, 4}, {0, 1.6, alphas}, {0.3, 0.9, 20}, true}};
  SelfComm comm;
  const auto counts = CountGrid(small.cache_model, small.queries, tasks, pass, comm);
  ASSERT_EQ(counts[0].exact.size(), 40u);
  int better = 0;
  for (std::size_t row = 0; row < 40; ++row) {
    const ExactAlpha& exact = counts[0].exact[row];
    const auto begin = counts[0].top1.begin() + static_cast<std::ptrdiff_t>(row) * alphas;
    const std::int64_t grid = *std::max_element(begin, begin + alphas);
    EXPECT_GE(exact.top1, grid);
    better += exact.top1 > grid ? 1 : 0;
    // By the grid's own count at the middle of the stretch.
    auto there = tasks;
    there[0].alpha = Axis::Point((exact.low + exact.high) / 2);
    const auto at_point = CountGrid(small.cache_model, small.queries, there, pass, comm);
    EXPECT_EQ(at_point[0].top1[row], exact.top1) << row;
  }
  EXPECT_GT(better, 5);
}

// One class, one key, duplicate keys and classes (ties), beta 0, huge beta.
inline void CheckEdges(const PassOptions& pass) {
  SelfComm comm;
  for (const std::int64_t per_class : {1, 3}) {
    for (const std::int64_t classes : {1, 2, 16, 17}) {
      SmallProblem small = MakeSmallProblem(classes, per_class, 150, 8);
      CacheModel& p = small.cache_model;
      const auto width = static_cast<std::ptrdiff_t>(p.width);
      if (per_class == 3) {  // class 0's keys are all the same
        for (std::ptrdiff_t k = 1; k < 3; ++k) {
          std::copy_n(p.keys.begin(), width, p.keys.begin() + k * width);
        }
      }
      if (classes == 17) {  // classes 4 and 9 are one: every contest of theirs is a tie
        std::copy_n(p.text.begin() + 4 * width, width, p.text.begin() + 9 * width);
        std::copy_n(p.keys.begin() + 4 * per_class * width, per_class * width,
                    p.keys.begin() + 9 * per_class * width);
      }
      const std::vector<GridTask> tasks{
          {small.rows_by_class, {per_class}, {0, 2, 6}, {0, 700, 3}, true},
          {small.rows_by_class, {per_class}, {-4, 2, 6}, {0, 700, 3}, true}};
      const auto got = CountGrid(p, small.queries, tasks, pass, comm);
      for (std::size_t t = 0; t < tasks.size(); ++t) {
        EXPECT_EQ(Differences(small, tasks[t], got[t]), 0) << classes << " classes, task " << t;
      }
    }
  }
}

}  // namespace clipsweep::testing
