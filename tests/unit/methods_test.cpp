// The table of methods, a method added to it, tuning over real alphas, and the kernel system.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "common/compute/tensors.h"
#include "common/process/error.h"
#include "finetune/methods/all_methods.h"
#include "finetune/methods/free_memory.h"
#include "finetune/methods/kernel_system.h"
#include "finetune/methods/tuning.h"
#include "finetune/training/trainer.h"

namespace clipsweep {
namespace {

at::Tensor Unit(const at::Tensor& rows) {
  return (rows / rows.norm(2, {-1}, /*keepdim=*/true)).contiguous();
}

struct Small {
  FewShot problem;
  Queries queries;
};

Small MakeSmall(std::int64_t classes, std::int64_t width, std::int64_t samples) {
  at::manual_seed(5);
  const at::Tensor centres = at::randn({classes, width});
  Small small;
  std::vector<at::Tensor> keys;
  small.problem.start = {0};
  for (std::int64_t c = 0; c < classes; ++c) {
    const std::int64_t count = 1 + c % 3;
    keys.push_back(centres[c] + 1.2 * at::randn({count, width}));
    small.problem.labels.insert(small.problem.labels.end(), static_cast<std::size_t>(count),
                                static_cast<std::int32_t>(c));
    small.problem.start.push_back(small.problem.start.back() + count);
  }
  small.problem.keys = Unit(at::cat(keys));
  small.problem.text = Unit(centres + at::randn({classes, width}));
  const at::Tensor labels = at::randint(0, classes, {samples}, at::kLong);
  const at::Tensor features =
      Unit(centres.index_select(0, labels) + 1.5 * at::randn({samples, width}));
  small.queries.features.assign(features.const_data_ptr<float>(),
                                features.const_data_ptr<float>() + features.numel());
  for (std::int64_t i = 0; i < samples; ++i) {
    small.queries.labels.push_back(
        static_cast<std::int32_t>(labels.const_data_ptr<std::int64_t>()[i]));
  }
  return small;
}

// What CONTRIBUTING's "Add a method" describes, whole.
class Tempered final : public Method {
 public:
  MethodInfo Info() const override {
    return {
        .name = "tempered",
        .title = "tempered zero-shot",
        .paper = "nobody's",
        .about = "zero-shot logits through a power that changes their order",
        .tuned = "power",
        .settings = {Tuned(Real("power", 1, 0.1, 10, "of the text's coordinates"), {0.5, 1, 2})}};
  }
  Fitted Fit(const FewShot& problem, const Settings& settings, FitJob&) const override {
    const at::Tensor weight =
        problem.text.sign() * problem.text.abs().pow(settings.at("power")) * problem.logit_scale;
    Fitted fitted;
    fitted.classifier = std::make_unique<LinearClassifier>(weight, at::Tensor());
    return fitted;
  }
};

TEST(Methods, TheTableHasEachOnceAndWhatItSaysIsWhole) {
  std::set<std::string> names, titles;
  const Small small = MakeSmall(4, 16, 1);
  for (const auto& method : AllMethods()) {
    const MethodInfo info = method->Info();
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
    EXPECT_TRUE(titles.insert(info.title).second) << info.title;
    EXPECT_FALSE(info.paper.empty() || info.about.empty()) << info.name;
    EXPECT_LE(info.name.size(), 15u);
    for (const Setting& setting : info.settings) {
      const double value = setting.value(small.problem);
      EXPECT_TRUE(value >= setting.low && value <= setting.high)
          << info.name << " " << setting.name;
      for (const double tried : setting.grid) {
        EXPECT_TRUE(tried >= setting.low && tried <= setting.high) << info.name;
      }
      EXPECT_FALSE(setting.help.empty() || setting.value_text.empty()) << info.name;
    }
  }
}

TEST(Methods, AMethodIsOneRowMore) {
  AddMethod(std::make_unique<Tempered>());
  const Method& method = FindMethod("tempered", "--method");
  const Small small = MakeSmall(6, 16, 90);
  SelfComm comm;
  const Compute compute{"cpu", 2};
  FitJob job{compute, comm};
  EXPECT_EQ(FitMethod(method, small.problem, {}, job).settings.at("power"), 1);
  job.tune = &small.queries;
  const Fitted tuned = FitMethod(method, small.problem, {}, job);
  std::int64_t best = -1;
  double first_best = 0;
  for (const double power : {0.5, 1.0, 2.0}) {
    const Fitted at = method.Fit(small.problem, {{"power", power}}, job);
    const TopCounts counts = CountRight(*at.classifier, small.queries, job);
    if (counts.top1 > best) {
      best = counts.top1;
      first_best = power;
    }
  }
  EXPECT_EQ(tuned.on_tune.top1, best);
  EXPECT_EQ(tuned.settings.at("power"), first_best);
  EXPECT_EQ(tuned.tuned, std::vector<std::string>{"power"});
  EXPECT_THROW(ParseSettings(method.Info(), {"power=11"}), Error);
}

// z and S whose crossings stand close together, with ties.
class Given final : public Residual {
 public:
  Given(at::Tensor z, at::Tensor s) : z_(std::move(z)), s_(std::move(s)) {}
  std::vector<Settings> Points() const override { return {{{"which", 0}}, {{"which", 1}}}; }
  at::Tensor Z(const at::Tensor& f) const override { return z_.narrow(0, Row(f), f.size(0)); }
  void ForEachPoint(const at::Tensor& f, const Use& use) const override {
    use(0, s_.narrow(0, Row(f), f.size(0)));
    use(1, s_.narrow(0, Row(f), f.size(0)));  // as good: the first of the best is taken
  }

 private:
  static std::int64_t Row(const at::Tensor& f) {
    return static_cast<std::int64_t>(f.const_data_ptr<float>()[0]);
  }
  at::Tensor z_, s_;
};

TEST(TuneAlpha, FindsWhatTryingEveryCrossingFinds) {
  constexpr std::int64_t kSamples = 600, kClasses = 5;
  at::manual_seed(8);
  const at::Tensor z = at::randint(0, 9, {kSamples, kClasses}).to(at::kFloat);
  const at::Tensor s = at::randint(-3, 4, {kSamples, kClasses}).to(at::kFloat);
  Queries queries;
  for (std::int64_t i = 0; i < kSamples; ++i) {
    queries.features.push_back(static_cast<float>(i));  // one channel: the row's number
    queries.labels.push_back(static_cast<std::int32_t>(i % kClasses));
  }
  const auto right_at = [&](double alpha) {
    std::int64_t right = 0;
    for (std::int64_t i = 0; i < kSamples; ++i) {
      const auto logit = [&](std::int64_t c) {
        return z.const_data_ptr<float>()[i * kClasses + c] +
               alpha * s.const_data_ptr<float>()[i * kClasses + c];
      };
      const std::int64_t label = i % kClasses;
      bool ahead = false;
      for (std::int64_t c = 0; c < kClasses; ++c) {
        ahead |= c != label && (logit(c) > logit(label) || (logit(c) == logit(label) && c < label));
      }
      right += ahead ? 0 : 1;
    }
    return right;
  };
  // Crossings are at quotients by 1 to 6. Between any two of them lies one of these, none on any.
  std::int64_t best = 0;
  for (int i = 0; i < 240; ++i) best = std::max(best, right_at((2 * i + 1) / 120.0));
  SelfComm comm;
  for (const int workers : {1, 3}) {
    const Compute compute{"cpu", workers};
    FitJob job{compute, comm};
    job.tune = &queries;
    const TunedPoint tuned = TuneAlpha(Given(z, s), {true, 0, 4}, job);
    EXPECT_EQ(tuned.counts.top1, best);
    EXPECT_EQ(tuned.settings.at("which"), 0);
    EXPECT_EQ(right_at(tuned.settings.at("alpha")), best);
    const TunedPoint fixed = TuneAlpha(Given(z, s), {true, 1.5, 1.5}, job);
    EXPECT_EQ(fixed.counts.top1, right_at(1.5));
  }
}

TEST(RoundInside, HasFewDigitsAndStaysInside) {
  EXPECT_EQ(RoundInside(1.21, 1.69), 1.4);
  EXPECT_EQ(RoundInside(0, 1000), 500);
  EXPECT_EQ(RoundInside(2, 2), 2);
  for (const auto& [low, high] : {std::pair(0.1, 0.1000001), {3.14159, 3.1416}, {1e-9, 2e-9}}) {
    const double inside = RoundInside(low, high);
    EXPECT_TRUE(inside > low && inside < high) << inside;
  }
}

TEST(KernelSystem, SolvesOnAnyNumberOfThreadsAlike) {
  at::manual_seed(2);
  const at::Tensor keys = Unit(at::randn({1100, 24}) + 0.8);  // tiles of 512, 512 and 76
  const at::Tensor right = at::randn({1100, 130});
  const at::Tensor solved = SolveKernelSystem(keys, 2.0, 0.1, right, 1);
  EXPECT_TRUE(at::equal(solved, SolveKernelSystem(keys, 2.0, 0.1, right, 3)));
  const at::Tensor wide = keys.to(at::kDouble);
  const at::Tensor kernel =
      ((at::matmul(wide, wide.t()) - 1) * 2.0).exp() / 0.1 + at::eye(1100, at::kDouble);
  const at::Tensor back = at::matmul(kernel, solved.to(at::kDouble));
  EXPECT_LT((back - right).abs().max().item<double>(), 2e-3);
  EXPECT_THROW(RequireMemory("proker", 1e18, "a system"), Error);
  EXPECT_NEAR(KernelSystemBytes(16'000, 1000) / 1e9, 1.2, 0.05);
}

TEST(TextProduct, EqualRowsGiveEqualBits) {
  at::manual_seed(4);
  at::Tensor rows = at::randn({37, 40});
  rows[36].copy_(rows[3]);
  rows[20].copy_(rows[3]);
  const at::Tensor z = TextProduct(rows, 100)(at::randn({19, 40}));
  EXPECT_TRUE(at::equal(z.select(1, 36), z.select(1, 3)));
  EXPECT_TRUE(at::equal(z.select(1, 20), z.select(1, 3)));
}

TEST(ClassBlocks, HaveAtLeastSoManyClasses) {
  EXPECT_EQ(ClassBlockBounds(42, 32), (std::vector<std::int64_t>{0, 42}));
  EXPECT_EQ(ClassBlockBounds(5, 32), (std::vector<std::int64_t>{0, 5}));
  EXPECT_EQ(ClassBlockBounds(100, 32).size(), 4u);
  EXPECT_EQ(ClassBlockBounds(100'000, 32).size(), 17u);
}

}  // namespace
}  // namespace clipsweep
