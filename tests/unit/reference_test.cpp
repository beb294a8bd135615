// Every way of counting a grid against the formula in double precision, over random problems.
#include "sweep/math/reference.h"

#include <gtest/gtest.h>

#include "tests/support/host_launch.h"
#include "tests/support/random_problems.h"

namespace clipsweep {
namespace {

using testing::CountRange;
using testing::RandomProblem;

constexpr std::uint64_t kProblems = 400;

// Every number between what float32 may count at least and at most.
void ExpectWithin(const CountRange& range, const GridCounts& got, const std::string& what) {
  ASSERT_EQ(got.top1.size(), range.least.top1.size()) << what;
  ASSERT_EQ(got.top5.size(), range.least.top5.size()) << what;
  for (std::size_t i = 0; i < got.top1.size(); ++i) {
    ASSERT_TRUE(range.least.top1[i] <= got.top1[i] && got.top1[i] <= range.most.top1[i])
        << what << ", point " << i << ": top-1 " << got.top1[i] << " of " << range.least.top1[i]
        << ".." << range.most.top1[i];
    ASSERT_TRUE(range.least.top5[i] <= got.top5[i] && got.top5[i] <= range.most.top5[i])
        << what << ", point " << i << ": top-5 " << got.top5[i] << " of " << range.least.top5[i]
        << ".." << range.most.top5[i];
  }
}

// The best real alpha is no worse than the grid's best, and lies on the axis.
void ExpectExact(const GridTask& task, const GridCounts& got, const std::string& what) {
  const std::int64_t alphas = task.alpha.count;
  ASSERT_EQ(static_cast<std::int64_t>(got.exact.size()) * alphas,
            task.exact_alpha ? static_cast<std::int64_t>(got.top1.size()) : 0)
      << what;
  for (std::size_t row = 0; row < got.exact.size(); ++row) {
    const auto begin = got.top1.begin() + static_cast<std::ptrdiff_t>(row) * alphas;
    const ExactAlpha& exact = got.exact[row];
    ASSERT_GE(exact.top1, *std::max_element(begin, begin + alphas)) << what << ", row " << row;
    ASSERT_TRUE(task.alpha.At(0) <= exact.low && exact.low <= exact.high &&
                exact.high <= task.alpha.At(alphas - 1))
        << what << ", row " << row;
  }
}

// Counts each cache_model with `pass` and holds it to the formula.
void CheckAll(const PassOptions& pass) {
  SelfComm comm;
  for (std::uint64_t seed = 0; seed < kProblems; ++seed) {
    const RandomProblem random = testing::MakeRandomProblem(seed);
    CacheModel cache_model = random.small.cache_model;
    cache_model.held_classes = {0, cache_model.classes};
    PassOptions any_product = pass;  // counts do not depend on it
    any_product.product = std::vector{ProductKind::kFloat, ProductKind::kPackedFloat,
                                      ProductKind::kBfloat16}[seed % 3];
    if (!HasProduct(*any_product.product)) any_product.product = ProductKind::kFloat;
    const auto got = CountGrid(cache_model, random.small.queries, {random.task}, any_product, comm);
    ExpectWithin(testing::RangeOfCounts(random), got[0], random.what);
    ExpectExact(random.task, got[0], random.what);
    if (::testing::Test::HasFatalFailure()) return;
  }
}

TEST(Reference, CountsAHandfulOfImagesAsByHand) {
  CacheModel p;
  p.width = 2;
  p.classes = 2;
  p.text = {0.5f, 0, 0.5f, 0.0078125f};  // z: 50 and 50 for the first image
  p.keys = {0, 1, 1, 0, 2, 0};           // the last twice as long
  p.key_labels = {0, 1, 0};
  const Queries queries{{1, 0, 0, 1}, {1, 1}};
  const GridTask task{{{0, 2}, {1}}, {1, 2}, {0, 2, 2}, {0, 1, 2}};
  // Image 1: z equal; S at 1 shot is e^-beta and 1, at 2 shots e^-beta + e^beta and 1.
  // Image 2: z 0 and 0.78; S at 1 shot 1 and e^-beta, at 2 shots 1 + e^-beta and e^-beta.
  const GridCounts got = ReferenceCounts(p, queries, task);
  // alpha 0: image 1 is a tie, which class 0 wins. beta 0: every kernel value is 1.
  EXPECT_EQ(got.top1, (std::vector<std::int64_t>{1, 1, 1, 1, 1, 0, 1, 0}));
  EXPECT_EQ(got.top5, std::vector<std::int64_t>(8, 2));
}

TEST(Reference, LiesWithinItsOwnBoundsAndFewDecisionsAreOpen) {
  std::int64_t decisions = 0, open = 0, dyadic = 0, right = 0, open_dyadic = 0,
               decisions_dyadic = 0;
  for (std::uint64_t seed = 0; seed < kProblems; ++seed) {
    const RandomProblem random = testing::MakeRandomProblem(seed);
    const CountRange range = testing::RangeOfCounts(random);
    const GridCounts got =
        ReferenceCounts(random.small.cache_model, random.small.queries, random.task);
    ExpectWithin(range, got, random.what);
    decisions += range.decisions;
    open += range.open;
    if (random.dyadic) open_dyadic += range.open, decisions_dyadic += range.decisions;
    dyadic += random.dyadic ? 1 : 0;
    for (const std::int64_t count : got.top1) right += count;
  }
  RecordProperty("decisions", std::to_string(decisions));
  RecordProperty("open", std::to_string(open));
  fmt::print("{} decisions, {} open, {} right; dyadic: {} decisions, {} open\n", decisions, open,
             right, decisions_dyadic, open_dyadic);
  EXPECT_GT(decisions, 1'000'000);
  EXPECT_LT(open_dyadic, decisions_dyadic / 50);
  EXPECT_LT(open, decisions / 10);
  EXPECT_GT(right, decisions / 10);
  EXPECT_LT(right, decisions / 10 * 9);
  EXPECT_TRUE(dyadic > 100 && dyadic < 350) << dyadic;
}

// The label leads in z and at the first beta; a class with one long key overtakes it on the axis,
// whose values are few and far apart: at 16 steps the long key's kernel is beyond float32.
TEST(StretchedKeys, AreCountedByTheFormulaOverFewDistantBetas) {
  SelfComm comm;
  std::int64_t overtaken = 0;
  for (const float length : {1.25f, 1.5f, 2.0f, 3.0f}) {
    CacheModel p;
    p.width = 2;
    p.classes = 3;
    p.text = {0.5f, 0, 0.4375f, 0, 0, 0.5f};       // z: 50, 43.75, 0
    p.keys = {1, 0, 1, 0, 1, 0, length, 0, 0, 1};  // S: 3, exp(beta (length - 1)), exp(-beta)
    p.key_labels = {0, 0, 0, 1, 2};
    p.longest_key = length;
    p.held_classes = {0, 3};
    const Queries queries{{1, 0}, {0}};
    for (const std::int64_t betas : {1, 2, 3, 4, 5, 16, 17, 18}) {
      for (double exponent = 0.5; exponent < 15; exponent += 0.5) {
        const double last = exponent / (length - 1.0);
        const double step = betas > 1 ? last / static_cast<double>(betas - 1) : 40;
        const GridTask task{{{0, 1, 2}, {3}, {4}}, {1, 3}, {0, 0.25, 8}, {0, step, betas}, true};
        const GridCounts want = ReferenceCounts(p, queries, task);
        for (const bool on_gpu : {false, true}) {
          for (const Partition partition :
               {Partition::kSamples, Partition::kGrid, Partition::kClasses}) {
            PassOptions pass = testing::Pass(partition, 1);
            if (on_gpu) pass.grid_launch = testing::HostLaunch<7>;
            const auto got = CountGrid(p, queries, {task}, pass, comm);
            ASSERT_EQ(got[0].top1, want.top1) << PartitionName(partition) << ", keys of " << length
                                              << ", " << betas << " betas to " << last;
            ASSERT_EQ(got[0].top5, want.top5);
          }
        }
        overtaken += std::count(want.top1.begin(), want.top1.end(), 0);
      }
    }
  }
  EXPECT_GT(overtaken, 1000);
}

TEST(RandomProblems, AreCountedByTheFormulaBySamples) {
  CheckAll(testing::Pass(Partition::kSamples, 1));
}
TEST(RandomProblems, AreCountedByTheFormulaByPartsOfTheGrid) {
  CheckAll(testing::Pass(Partition::kGrid, 2));
}
TEST(RandomProblems, AreCountedByTheFormulaByClasses) {
  CheckAll(testing::Pass(Partition::kClasses, 1));
}
TEST(RandomProblems, AreCountedByTheFormulaByTheGpuKernel) {
  for (const Partition partition : {Partition::kSamples, Partition::kGrid}) {
    PassOptions pass = testing::Pass(partition, 1);
    pass.grid_launch = testing::HostLaunch<7>;
    CheckAll(pass);
  }
}

}  // namespace
}  // namespace clipsweep
