// The exact-alpha engine against brute force.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "common/data/subsets.h"
#include "sweep/engine/grid_engine.h"
#include "sweep/engine/zero_shot.h"
#include "sweep/kernels/class_sums.h"
#include "sweep/kernels/exact_alpha.h"
#include "sweep/kernels/key_layout.h"
#include "tests/support/grid_checks.h"
#include "tests/support/problems.h"

namespace clipsweep {
namespace {

using testing::MakeSmallProblem;
using testing::ReferenceCounts;
using testing::SmallProblem;

TEST(ClassSums, ExpIsWithinThreeUlp) {
  std::vector<float> x, y;
  for (double v = 0; v >= -87; v -= 0.0371) x.push_back(static_cast<float>(v));
  y.resize(x.size());
  ExpForTest(x, y);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double want = std::exp(static_cast<double>(x[i]));
    EXPECT_NEAR(y[i], want, 3e-7 * want) << x[i];
  }
  EXPECT_EQ(y[0], 1.0f);
}

// Of keys longer than 1 exponents are positive; where float32 ends nothing wraps round.
TEST(ClassSums, ExpRisesAndEndsWhereFloat32Does) {
  std::vector<float> x, y;
  for (double v = 0; v <= 88; v += 0.0371) x.push_back(static_cast<float>(v));
  y.resize(x.size());
  ExpForTest(x, y);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double want = std::exp(static_cast<double>(x[i]));
    EXPECT_NEAR(y[i], want, 3e-7 * want) << x[i];
  }
  const std::vector<float> beyond{-87.01f, -88, -100, -1e6f, -1e30f, -INFINITY,
                                  88.01f,  89,  177,  1e6f,  1e30f,  INFINITY};
  y.resize(beyond.size());
  ExpForTest(beyond, y);
  for (std::size_t i = 0; i < beyond.size(); ++i) {
    EXPECT_FLOAT_EQ(y[i], beyond[i] < 0 ? 0.0f : std::exp(88.0f)) << beyond[i];
  }
}

// Sums at the anchors are those of ClassSums there, wherever the axis ends.
TEST(ClassSums, AnchorsStayOnTheAxis) {
  const KeyLayout layout = MakeKeyLayout({{0, 1}, {2}}, 0, 2);
  const std::vector<float> affinity{1.5f, 0.25f, 1.75f};
  std::vector<float> distance(layout.key_of_class.size());
  for (std::size_t i = 0; i < distance.size(); ++i)
    distance[i] = 1.0f - affinity[layout.key_of_class[i]];
  const LaneKeys keys{layout.groups, layout.slots, layout.weight.data(), distance.data()};
  const std::vector<std::int64_t> shots{1, 2};
  for (const std::int64_t betas : {1, 2, 15, 16, 17, 32, 33, 100, 128, 129, 150}) {
    const double step = 85.0 / static_cast<double>(betas);  // e^64 at the end, e^70 a step beyond
    const std::int64_t runs = (betas + kAnchorEvery - 1) / kAnchorEvery;
    for (std::int64_t first = 0; first < runs; ++first) {  // however the axis is cut
      const std::int64_t anchors = runs - first + 1;
      std::vector<float> out(static_cast<std::size_t>(2 * anchors * kLanes));
      AnchorSums(keys, shots, 0.25, step, betas, first, anchors, out.data());
      for (std::int64_t i = 0; i < anchors; ++i) {
        const std::int64_t at = AnchorAt(first + i, betas);
        ASSERT_TRUE(at < betas && (at % kAnchorEvery == 0 || at == betas - 1));
        const double beta = 0.25 + static_cast<double>(at) * step;
        for (std::int64_t k = 0; k < 2; ++k) {
          const double want[] = {std::exp(beta * 0.5) + (k == 1 ? std::exp(-beta * 0.75) : 0),
                                 std::exp(beta * 0.75)};
          for (std::int64_t c = 0; c < 2; ++c) {
            const float got = out[static_cast<std::size_t>((k * anchors + i) * kLanes + c)];
            EXPECT_NEAR(got, want[c], 3e-5 * want[c]) << betas << " betas, anchor " << first + i;
          }
        }
      }
    }
  }
}

// No decision may rest on more than the margin allows, however long text and keys are.
TEST(AlphaCounter, TheMarginGrowsWithTextSumsAndExponents) {
  const Axis alpha{0, 0.5, 5};  // to 2
  const float unit = LeadMargin(alpha, {100, 16, 0});
  EXPECT_GT(unit, 4e-6 * (100 + 2 * 2 * 16));
  EXPECT_GT(LeadMargin(alpha, {400, 16, 0}) - unit, 4e-6 * 299);
  EXPECT_GT(LeadMargin(alpha, {100, 16e6, 13.8}), 2 * 16e6 * 1.6e-5);
  EXPECT_EQ(LeadMargin({-2, 0.5, 2}, {100, 16, 0}), unit);
  EXPECT_TRUE(std::isfinite(LeadMargin({0, 1e5, 11}, {100, 1e36, 69})));
}

TEST(CacheModel, TheLargestExponentIsFoundAtEitherEnd) {
  CacheModel cache_model;
  EXPECT_EQ(cache_model.MostExponent({0, 1, 11}), 0);
  cache_model.longest_key = 0.5;
  EXPECT_EQ(cache_model.MostExponent({0, 1, 11}), 0);
  cache_model.longest_key = 3;
  EXPECT_EQ(cache_model.MostExponent({1, 1, 10}), 20);
  EXPECT_EQ(cache_model.MostExponent(Axis::Point(4)), 8);
  EXPECT_EQ(cache_model.MostExponent({-4, 1, 5}), 16);  // exp(4 (1 + 3))
  EXPECT_EQ(cache_model.MostExponent({10, -1, 10}), 20);
}

TEST(ClassSums, FollowBetaWithinOneInAMillionAndHonourPrefixes) {
  // Three classes with 3, 1 and 2 keys.
  const KeyLayout layout = MakeKeyLayout({{0, 1, 2}, {3}, {4, 5}}, 0, 3);
  ASSERT_EQ(layout.slots, 3);
  const std::vector<float> affinity{0.9f, -0.3f, 0.5f, 0.99f, 0.1f, 1.0f};
  std::vector<float> distance(layout.key_of_class.size());
  for (std::size_t i = 0; i < distance.size(); ++i)
    distance[i] = 1.0f - affinity[layout.key_of_class[i]];
  const std::vector<std::int64_t> shots{1, 2, 3};
  for (std::int64_t first : {0, 16, 32}) {
    std::vector<float> out(3 * 16 * 16);
    ClassSums({layout.groups, layout.slots, layout.weight.data(), distance.data()}, shots, 0.5,
              0.25, first, 16, out.data());
    for (std::size_t k = 0; k < 3; ++k) {
      for (std::int64_t j = 0; j < 16; ++j) {
        const double beta = 0.5 + static_cast<double>(first + j) * 0.25;
        const std::vector<std::vector<int>> keys{{0, 1, 2}, {3}, {4, 5}};
        for (std::size_t c = 0; c < 3; ++c) {
          double want = 0;
          for (std::size_t s = 0; s < std::min(keys[c].size(), k + 1); ++s) {
            want += std::exp(-beta * (1.0 - affinity[static_cast<std::size_t>(keys[c][s])]));
          }
          const float got = out[(k * 16 + static_cast<std::size_t>(j)) * 16 + c];
          EXPECT_NEAR(got, want, 3e-6 * want + 1e-12);
        }
      }
    }
  }
}

// Counts by evaluating Beats at every alpha for every class.
void BruteForce(const std::vector<float>& z, const std::vector<float>& s, std::int64_t y,
                const Axis& alpha, std::vector<std::int64_t>& top1,
                std::vector<std::int64_t>& top5) {
  for (std::int64_t j = 0; j < alpha.count; ++j) {
    int beaten = 0;
    for (std::size_t c = 0; c < z.size(); ++c) {
      if (static_cast<std::int64_t>(c) == y || std::isinf(z[c])) continue;
      beaten += Beats(static_cast<double>(z[static_cast<std::size_t>(y)]) - z[c],
                      static_cast<double>(s[static_cast<std::size_t>(y)]) - s[c], alpha.At(j),
                      static_cast<std::int64_t>(c) < y);
    }
    top1[static_cast<std::size_t>(j)] += beaten == 0;
    top5[static_cast<std::size_t>(j)] += beaten < 5;
  }
}

// Whether the label is top-1 at alpha, a point of no grid.
bool RightAt(const std::vector<float>& z, const std::vector<float>& s, std::int64_t y,
             double alpha) {
  std::vector<std::int64_t> top1(1, 0), top5(1, 0);
  BruteForce(z, s, y, Axis::Point(alpha), top1, top5);
  return top1[0] == 1;
}

// The interval against the definition, at alphas far enough from its ends to be beyond rounding.
void ExpectInterval(const AlphaInterval& interval, const std::vector<float>& z,
                    const std::vector<float>& s, std::int64_t y, const Axis& alpha) {
  for (double at = alpha.At(0); at < alpha.At(alpha.count - 1); at += 0.00917) {
    const bool far = (interval.whole_left || std::abs(at - interval.from.value()) > 1e-9) &&
                     (interval.whole_right || std::abs(at - interval.to.value()) > 1e-9);
    if (!far && !interval.empty) continue;
    const bool within = !interval.empty && (interval.whole_left || at > interval.from.value()) &&
                        (interval.whole_right || at < interval.to.value());
    ASSERT_EQ(RightAt(z, s, y, at), within) << "alpha " << at;
  }
}

TEST(Edge, SortsByValueThenSide) {
  const std::vector<double> values{-2.5, -1e-300, 0.0, 1e-300, 0.5, 1.0, 7.25};
  std::vector<Edge> edges;
  for (const double value : values) {
    for (const bool after : {false, true}) {
      edges.emplace_back(value, after);
      EXPECT_NEAR(edges.back().value(), value, 1e-15);
      EXPECT_EQ(edges.back().after(), after);
    }
  }
  EXPECT_TRUE(std::is_sorted(edges.begin(), edges.end()));
  EXPECT_EQ(Edge(-0.0, false), Edge(0.0, false));
}

TEST(BestOverReals, TakesTheFirstOfTheWidestStretches) {
  const Axis alpha{0, 0.5, 21};  // 0..10
  const auto code = [](double at, bool after = false) { return Edge(at, after).code(); };
  // One sample right on [1, 4), one on [3, 6), one on [7, 10], one from the first alpha to 2.
  std::vector<std::int64_t> from{code(7), code(1), code(3)}, to{code(6), code(2), code(4)};
  ExactAlpha best = BestOverReals(alpha, 1, from, to);
  EXPECT_EQ(best.top1, 2);  // on [1, 2) and [3, 4): both one wide
  EXPECT_DOUBLE_EQ(best.low, 1);
  EXPECT_DOUBLE_EQ(best.high, 2);
  // One point only: right up to 5 (with it) and from 5 on.
  from = {code(5)}, to = {code(5, true)};
  best = BestOverReals(alpha, 1, from, to);
  EXPECT_EQ(best.top1, 2);
  EXPECT_DOUBLE_EQ(best.low, 5);
  EXPECT_DOUBLE_EQ(best.high, 5);
  from.clear(), to.clear();
  best = BestOverReals(alpha, 3, from, to);
  EXPECT_EQ(best.top1, 3);
  EXPECT_DOUBLE_EQ(best.high, 10);
}

TEST(AlphaCounter, EqualsBruteForceIncludingTies) {
  Random random(3, 0, 0);
  for (int round = 0; round < 600; ++round) {
    const Axis alpha{round % 3 == 0 ? -1.0 : 0.5, 0.02, 100};
    const std::int64_t classes = 1 + static_cast<std::int64_t>(random.Below(40)), padded = 48;
    std::vector<float> z(padded, -std::numeric_limits<float>::infinity()), s(padded, 0.0f);
    const bool ties = round % 2 == 0;  // coarse values: many exact ties, also at grid points
    for (std::int64_t c = 0; c < classes; ++c) {
      const auto u = static_cast<std::size_t>(c);
      z[u] = ties ? static_cast<float>(random.Below(5)) * 0.5f : 20.0f + testing::Noise(random);
      s[u] = ties ? static_cast<float>(random.Below(4)) : std::abs(testing::Noise(random)) * 2.0f;
    }
    const auto y = static_cast<std::int64_t>(random.Below(static_cast<std::uint64_t>(classes)));
    std::vector<std::int64_t> got1(101, 0), got5(101, 0), want1(100, 0), want5(100, 0);
    std::vector<std::int32_t> numbers(padded);
    std::iota(numbers.begin(), numbers.end(), 0);
    AlphaCounter counter(alpha, {100, 16, 0});
    auto z_others = z;
    z_others[static_cast<std::size_t>(y)] = -std::numeric_limits<float>::infinity();
    Contest contest;
    counter.Meet(y, z[static_cast<std::size_t>(y)], s[static_cast<std::size_t>(y)], padded,
                 z_others.data(), s.data(), numbers.data(), contest);
    AlphaCounter::Count(contest, got1.data(), got5.data());
    // Met in two halves and joined, it is the same contest.
    Contest half, joined;
    for (const std::int64_t first : {0, 16}) {
      half.Clear();
      counter.Meet(y, z[static_cast<std::size_t>(y)], s[static_cast<std::size_t>(y)],
                   first == 0 ? 16 : 32, z_others.data() + first, s.data() + first,
                   numbers.data() + first, half);
      joined.Join(half);
    }
    EXPECT_EQ(joined.beaten_by, contest.beaten_by);
    EXPECT_EQ(joined.events.size(), contest.events.size());
    const AlphaInterval& interval = contest.interval;
    EXPECT_EQ(joined.interval.empty, interval.empty);
    if (!interval.empty) {
      EXPECT_EQ(joined.interval.from, interval.from);
      EXPECT_EQ(joined.interval.to, interval.to);
    }
    SumSteps(got1);
    SumSteps(got5);
    BruteForce(z, s, y, alpha, want1, want5);
    ExpectInterval(interval, z, s, y, alpha);
    for (std::size_t j = 0; j < 100; ++j) {
      ASSERT_EQ(got1[j], want1[j]) << "round " << round << " alpha " << j;
      ASSERT_EQ(got5[j], want5[j]) << "round " << round << " alpha " << j;
    }
  }
}

TEST(AlphaCounter, OnePointGridAndOneClass) {
  AlphaCounter counter(Axis::Point(1.0), {100, 4, 0});
  std::vector<std::int32_t> numbers(16, 0);
  std::vector<float> z(16, -std::numeric_limits<float>::infinity()), s(16, 0.0f);
  std::vector<std::int64_t> top1(2, 0), top5(2, 0);
  Contest contest;
  counter.Meet(0, 3.0f, 1.0f, 16, z.data(), s.data(), numbers.data(), contest);
  AlphaCounter::Count(contest, top1.data(), top5.data());
  EXPECT_EQ(top1[0], 1);
  EXPECT_EQ(top5[0], 1);
}

// What a sweep records as its device.
TEST(CountingCompute, IsTheCpuWhereAGpuDoesNotCount) {
  const Compute gpu{"cuda:1", 2};
  const std::vector<GridTask> few{{{{0}}, {1}, {0, 0.1, 100}, {1, 1, 3}}};
  const std::vector<GridTask> many{{{{0}}, {1}, {0, 1e-4, 40'000}, {1, 1, 3}}};
  EXPECT_EQ(CountingCompute(gpu, Partition::kSamples, few).device, "cuda:1");
  EXPECT_EQ(CountingCompute(gpu, Partition::kGrid, few).device, "cuda:1");
  EXPECT_EQ(CountingCompute(gpu, Partition::kClasses, few).device, "cpu");
  EXPECT_EQ(CountingCompute(gpu, Partition::kSamples, many).device, "cpu");
  EXPECT_EQ(CountingCompute(gpu, Partition::kSamples, many).workers, 2);
}

TEST(EngineCounts, EqualTheFormulaAtEveryPoint) {
  testing::CheckFormula(testing::Pass(Partition::kSamples, 2), false);
  testing::CheckFormula(testing::Pass(Partition::kGrid, 2), true);
}
TEST(EngineCounts, ExactAlphaIsReachedAndNeverBelowTheGrid) {
  testing::CheckExactAlpha(testing::Pass(Partition::kSamples, 2));
}
TEST(EngineCounts, HoldAtTheEdges) {
  testing::CheckEdges(testing::Pass(Partition::kSamples, 1));
  testing::CheckEdges(testing::Pass(Partition::kGrid, 2));
}

TEST(ZeroShot, EqualsAlphaZero) {
  const SmallProblem small = MakeSmallProblem(12, 3, 520, 16);
  SelfComm comm;
  const TopCounts got = CountZeroShot(small.cache_model, small.queries, {"cpu", 2}, comm);
  const TopCounts want = ReferenceCounts(small, small.rows_by_class, 0.0, 1.0);
  EXPECT_EQ(got.top1, want.top1);
  EXPECT_EQ(got.top5, want.top5);
  EXPECT_LT(got.top1, 520);
  EXPECT_GT(got.top1, 0);
}

}  // namespace
}  // namespace clipsweep
