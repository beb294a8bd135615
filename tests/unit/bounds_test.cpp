// What the sweep leaves out must be proven not to count: products and their bounds, exact dot
// products, and bounds on leads, against double precision.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "common/compute/bounded_product.h"
#include "common/compute/products.h"
#include "common/compute/random.h"
#include "common/compute/tensors.h"
#include "sweep/engine/grid_engine.h"
#include "sweep/engine/grid_work.h"
#include "sweep/kernels/dot_products.h"
#include "sweep/kernels/lead_bounds.h"
#include "tests/support/problems.h"

namespace clipsweep {
namespace {

constexpr ProductKind kKinds[] = {ProductKind::kFloat, ProductKind::kPackedFloat,
                                  ProductKind::kBfloat16};

// Rows as features are, and as they had better not be: of lengths from 1e-18 to 1e6, with one value
// that outweighs the others, all equal, opposite.
at::Tensor HostileRows(std::int64_t count, std::int64_t width, Random& random) {
  at::Tensor rows = at::empty({count, width});
  float* data = rows.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < count; ++i) {
    const auto scale =
        static_cast<float>(std::pow(10.0, i % 5 == 0 ? 6.0 * testing::Noise(random) : 0.0));
    for (std::int64_t d = 0; d < width; ++d) {
      float value = testing::Noise(random);
      if (i % 7 == 1) value = 1.0f;
      if (i % 7 == 2 && i > 0) value = -data[(i - 1) * width + d];
      if (i % 7 == 3 && d == 0) value = 300.0f;
      data[i * width + d] = std::clamp(value * scale, -1e9f, 1e9f);
    }
  }
  return rows;
}

at::Tensor UnitRows(std::int64_t count, std::int64_t width, Random& random) {
  at::Tensor rows = at::empty({count, width});
  float* data = rows.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < count * width; ++i) data[i] = testing::Noise(random);
  return rows / rows.norm(2, {-1}, /*keepdim=*/true);
}

TEST(BoundedProduct, IsWithinItsBoundAndNotFarInside) {
  Random random(5, 0, 0);
  for (const ProductKind kind : kKinds) {
    if (!HasProduct(kind)) continue;
    double nearest = 0;  // the largest part of a bound that is reached
    for (const std::int64_t width : {1, 7, 16, 100, 1000, 1024}) {
      const at::Tensor a = HostileRows(37, width, random), b = HostileRows(50, width, random);
      const LeftRows left = LeftRows::Make(a, kind);
      const RightRows right = RightRows::Make(b, kind);
      const at::Tensor got = Multiply(left, 3, 30, right).to(at::kDouble);
      const at::Tensor want = at::mm(a.to(at::kDouble), b.to(at::kDouble).t());
      for (std::int64_t i = 0; i < 30; ++i) {
        const ProductBound bound = BoundOf(left, i + 3, right);
        for (std::int64_t j = 0; j < 50; ++j) {
          const double p = got[i][j].item<double>();
          const double error = std::abs(p - want[i + 3][j].item<double>());
          const double allowed = bound.absolute + bound.relative * std::abs(p);
          ASSERT_LE(error, allowed) << "width " << width << ", rows " << i << ", " << j;
          nearest = std::max(nearest, error / allowed);
        }
      }
    }
    const at::Tensor some = at::ones({3, 16});
    EXPECT_EQ(Multiply(LeftRows::Make(some, kind), 0, 3, RightRows::Make(at::empty({0, 16}), kind))
                  .size(1),
              0);
    EXPECT_GT(nearest, kind == ProductKind::kBfloat16 ? 0.2 : 0.001);
  }
}

TEST(Products, AreTheSameByEitherLibraryButForRounding) {
  Random random(8, 0, 0);
  for (const std::int64_t width : {1, 17, 256}) {
    const at::Tensor a = UnitRows(33, width, random), b = UnitRows(20, width, random);
    for (const auto& [scale, shift] : {std::pair(1.0, 0.0), {100.0, 0.0}, {5.5, -5.5}}) {
      const at::Tensor want = at::mm(a.to(at::kDouble), b.to(at::kDouble).t()) * scale + shift;
      for (const ProductLibrary library : {ProductLibrary::kBlas, ProductLibrary::kOneDnn}) {
        if (library == ProductLibrary::kOneDnn && !HasProduct(ProductKind::kPackedFloat)) continue;
        const at::Tensor got = TimesTransposed(a, b, library, scale, shift);
        EXPECT_LT((got - want).abs().max().item<double>(), 1e-6 * scale);
        // Of rows that are columns in memory.
        const at::Tensor turned =
            TimesTransposed(a.t().contiguous().t(), b.t().contiguous().t(), library, scale, shift);
        EXPECT_LT((turned - want).abs().max().item<double>(), 1e-6 * scale);
      }
    }
    EXPECT_EQ(TimesTransposed(a, b.narrow(0, 0, 0), ProductLibrary::kOneDnn).size(1), 0);
  }
}

TEST(DotProducts, DependOnTheirTwoRowsAlone) {
  Random random(6, 0, 0);
  for (const std::int64_t width : {1, 15, 16, 17, 100, 1024}) {
    const at::Tensor a = HostileRows(11, width, random), b = HostileRows(9, width, random);
    std::vector<const float*> left, right;
    for (std::int64_t i = 0; i < 11; ++i) left.push_back(a.const_data_ptr<float>() + i * width);
    for (std::int64_t j = 0; j < 9; ++j) right.push_back(b.const_data_ptr<float>() + j * width);
    std::vector<float> all(99);
    DotProducts(left, right, width, all.data());
    for (std::size_t i = 0; i < 11; ++i) {
      for (std::size_t j = 0; j < 9; ++j) {
        float alone = 0, turned = 0;
        DotProducts({&left[i], 1}, {&right[j], 1}, width, &alone);
        DotProducts({&right[j], 1}, {&left[i], 1}, width, &turned);
        EXPECT_EQ(all[i * 9 + j], alone);
        EXPECT_EQ(turned, alone);
        double want = 0, size_a = 0, size_b = 0;
        for (std::int64_t d = 0; d < width; ++d) {
          const double x = left[i][d], y = right[j][d];
          want += x * y;
          size_a += x * x;
          size_b += y * y;
        }
        EXPECT_LE(std::abs(alone - want), DotError(width) * std::sqrt(size_a * size_b) + 1e-30);
      }
    }
  }
}

// Leads by the formula, at every point of a small grid, against both bounds.
TEST(LeadBounds, HoldAtEveryPoint) {
  Random random(7, 0, 0);
  const auto unit = [&] { return static_cast<double>(random.Below(1 << 20)) / (1 << 20); };
  std::int64_t settled = 0, classes_seen = 0;
  for (int round = 0; round < 300; ++round) {
    const std::int64_t slots = 1 + static_cast<std::int64_t>(random.Below(5)), groups = 2;
    const std::int64_t betas = 16, lanes = groups * 16;
    const double step = round % 4 == 0 ? 3.0 : 0.2, low_beta = round % 3 == 0 ? 0.0 : 1.0;
    const float slack = round % 5 == 0 ? 0.0f : 0.01f, low = 0.0f,
                high = round % 2 == 0 ? 2.0f : 200.0f;
    std::vector<float> seen(static_cast<std::size_t>(slots * lanes)), z(lanes), keys(lanes),
        least(lanes);
    std::vector<std::vector<double>> truth(static_cast<std::size_t>(lanes));
    for (std::int64_t c = 0; c < lanes; ++c) {
      z[static_cast<std::size_t>(c)] = static_cast<float>(15 + 10 * unit());
      const auto n = 1 + static_cast<std::int64_t>(random.Below(static_cast<std::uint64_t>(slots)));
      keys[static_cast<std::size_t>(c)] = static_cast<float>(n) * 1.0003f;
      for (std::int64_t s = 0; s < slots; ++s) {
        float& place = seen[static_cast<std::size_t>(((c / 16) * slots + s) * 16 + c % 16)];
        if (s >= n) {  // repeats a key
          place = seen[static_cast<std::size_t>((c / 16) * slots * 16 + c % 16)];
          continue;
        }
        const double affinity = 0.2 + 0.8 * unit();
        truth[static_cast<std::size_t>(c)].push_back(affinity);
        place = static_cast<float>(affinity - slack * unit());
      }
    }
    const auto sum = [&](const std::vector<double>& its, double beta) {
      double s = 0;
      for (const double affinity : its) s += std::exp(-beta * (1 - affinity));
      return s;
    };
    const std::vector<double> own{0.9, 0.5};
    const double own_z = 18 + 8 * unit();
    std::vector<float> own_sums;
    for (std::int64_t j = 0; j < betas; ++j) {
      own_sums.push_back(static_cast<float>(sum(own, low_beta + static_cast<double>(j) * step)));
    }
    const float first = own_sums.front(), last = own_sums.back();
    float sag = 0;
    for (std::int64_t j = 0; j < betas; ++j) {
      const float chord = first + static_cast<float>(j) / 15.0f * (last - first);
      sag = std::max(sag, chord - own_sums[static_cast<std::size_t>(j)]);
    }
    const std::vector<std::int64_t> slots_of(groups, slots), start{0, slots * 16};
    LeastLeads(seen.data(), {groups, slots_of.data(), start.data()}, {slack, 0.0f}, z.data(),
               keys.data(), lanes, {static_cast<float>(own_z), &first, &last, &sag, 1, 1},
               {low, high, static_cast<float>(low_beta), static_cast<float>(16 * step),
                static_cast<float>(15 * step)},
               least.data());
    // The second look, with sums from affinities that are too large by up to 2 slack.
    std::vector<float> above(static_cast<std::size_t>(betas * lanes)), least2(lanes), most2(lanes);
    for (std::int64_t j = 0; j < betas; ++j) {
      for (std::int64_t c = 0; c < lanes; ++c) {
        std::vector<double> larger;
        for (const double affinity : truth[static_cast<std::size_t>(c)]) {
          larger.push_back(affinity + 2 * slack * unit());
        }
        above[static_cast<std::size_t>(j * lanes + c)] =
            static_cast<float>(sum(larger, low_beta + static_cast<double>(j) * step));
      }
    }
    LeadRange({1, betas, lanes, above.data(), low_beta, step, 2 * slack}, z.data(), 0.0f,
              static_cast<float>(own_z), own_sums.data(), betas, low, high, least2.data(),
              most2.data());
    const double margin = 1e-4 * (1 + high * static_cast<double>(slots));
    for (std::int64_t c = 0; c < lanes; ++c) {
      const auto at = static_cast<std::size_t>(c);
      double worst = 1e30, best = -1e30;
      for (std::int64_t j = 0; j < betas; ++j) {
        const double beta = low_beta + static_cast<double>(j) * step;
        for (const double alpha :
             {static_cast<double>(low), 0.5 * high, static_cast<double>(high)}) {
          const double lead = own_z - z[at] + alpha * (sum(own, beta) - sum(truth[at], beta));
          worst = std::min(worst, lead);
          best = std::max(best, lead);
        }
      }
      ASSERT_LE(least[at], worst + margin) << "round " << round << ", class " << c;
      ASSERT_LE(least2[at], worst + margin);
      ASSERT_GE(most2[at], best - margin);
      settled += least2[at] > 0 || most2[at] < 0 ? 1 : 0;
      ++classes_seen;
    }
  }
  EXPECT_GT(settled, classes_seen / 5);
  EXPECT_LT(settled, classes_seen);
}

// Huge betas: sums from affinities that are too large leave float32, while what may be lost is all
// of them.
TEST(LeadBounds, KnowNothingOfSumsBeyondFloat32) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const float exponent : {50.0f, 90.0f, 95.0f, 102.0f, 200.0f}) {  // beta x slack
    std::vector<float> sums(16, kInfinity), z(16, 20.0f), least(16), most(16);
    const float own = 2.0f;
    LeadRange({1, 1, 16, sums.data(), 1e4, 0.0, exponent / 1e4f}, z.data(), 0.0f, 25.0f, &own, 1,
              0.0f, 5.0f, least.data(), most.data());
    EXPECT_LT(least[0], 0) << exponent;
    // At alpha 0 it leads by 5, whatever the sums.
    EXPECT_GE(most[0], 5.0f) << exponent;
  }
}

TEST(BlockSamples, HoldWhatMemoryAllows) {
  EXPECT_EQ(BlockSamples({50'000, 16'000, 40, false, true}), 782);
  EXPECT_EQ(BlockSamples({850, 672, 200, false, true}), 64);
  EXPECT_EQ(BlockSamples({2000, 1'280'000, 40, false, false}), 1024);     // keys made ready anew
  EXPECT_EQ(BlockSamples({50'000, 1'280'000, 40, true, false}), 52);      // affinities on a GPU
  EXPECT_EQ(BlockSamples({50'000, 16'000, 1'000'000, false, true}), 4);   // a million betas
  EXPECT_EQ(BlockSamples({50'000, 16'000, 60 * 200, false, true}), 349);  // 6 shots x 10 seeds
}

// Rows of 2^-12 apart, far below what bfloat16 tells apart, equal rows, and keys a class in numbers
// from none to many: every product must count the same.
TEST(EngineCounts, DoNotDependOnTheProduct) {
  for (const std::int64_t per_class : {1, 4, 33}) {
    testing::SmallProblem small = testing::MakeSmallProblem(37, per_class, 130, 24, per_class == 4);
    CacheModel& model = small.cache_model;
    const auto width = static_cast<std::size_t>(model.width);
    Random random(9, 0, 0);
    for (std::size_t row = 1; row < model.keys.size() / width; row += 2) {
      for (std::size_t d = 0; d < width; ++d) {
        model.keys[row * width + d] = model.keys[(row - 1) * width + d] +
                                      (row % 3 == 0 ? 0.0f : 0x1p-12f * testing::Noise(random));
      }
    }
    const std::vector<GridTask> tasks{
        {small.rows_by_class,
         {1, std::max<std::int64_t>(2, per_class)},
         {0, 0.7, 40},
         {0, 0.5, 40},
         true},
        {small.rows_by_class, {1}, {0, 50, 20}, {1e-9, 1e-9, 20}, true},
        {small.rows_by_class, {1}, {0.5, 0.1, 30}, {1, 100, 5}, false}};
    SelfComm comm;
    std::vector<GridCounts> first;
    for (const ProductKind kind : kKinds) {
      if (!HasProduct(kind)) continue;
      for (const Partition partition :
           {Partition::kSamples, Partition::kGrid, Partition::kClasses}) {
        PassOptions pass = testing::Pass(partition, 2);
        pass.product = kind;
        model.held_classes = {0, model.classes};
        const auto got = CountGrid(model, small.queries, tasks, pass, comm);
        if (first.empty()) first = got;
        for (std::size_t t = 0; t < tasks.size(); ++t) {
          EXPECT_EQ(got[t].top1, first[t].top1);
          EXPECT_EQ(got[t].top5, first[t].top5);
          for (std::size_t row = 0; row < got[t].exact.size(); ++row) {
            EXPECT_EQ(got[t].exact[row].top1, first[t].exact[row].top1);
            EXPECT_EQ(got[t].exact[row].low, first[t].exact[row].low);
            EXPECT_EQ(got[t].exact[row].high, first[t].exact[row].high);
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace clipsweep
