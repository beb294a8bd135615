// Gradient by hand against LibTorch's autograd, AdamW against its definition, evaluation against
// the engine.
#include "finetune/training/key_trainer.h"

#include <gtest/gtest.h>

#include <cmath>

#include "common/compute/tensors.h"
#include "common/files/adapter_file.h"
#include "common/process/error.h"
#include "finetune/finetune_job.h"
#include "tests/support/problems.h"

namespace clipsweep {
namespace {

using testing::MakeSmallProblem;

struct SmallBlock {
  at::Tensor keys, weight, text, f, labels;
};

SmallBlock MakeBlock() {
  at::manual_seed(3);
  SmallBlock b;
  const auto unit = [](at::Tensor t) { return t / t.norm(2, {-1}, true); };
  b.keys = unit(at::randn({6, 4, 16}) + 0.7);
  b.weight = at::ones({6, 4});
  b.weight.index_put_({at::tensor({2}), at::tensor({3})}, 0.0);  // class 2 has three keys
  b.keys = b.keys * b.weight.unsqueeze(2);
  b.text = unit(at::randn({6, 16}) + 0.7);
  b.f = unit(at::randn({9, 16}) + 0.7);
  b.labels = at::randint(0, 6, {9}, at::kLong);
  return b;
}

at::Tensor ReferenceLogits(const SmallBlock& b, const at::Tensor& keys, double alpha, double beta) {
  const auto affinity = at::matmul(b.f, keys.reshape({24, 16}).t());
  const auto kernel = ((affinity - 1) * beta).exp().view({9, 6, 4}) * b.weight;
  return 100.0 * at::matmul(b.f, b.text.t()) + alpha * kernel.sum(-1);
}

TEST(KeyBlock, GradientEqualsAutograd) {
  const SmallBlock b = MakeBlock();
  const KeyPoint point(1.3, 5.5, {});
  KeyBlock block(b.keys, b.weight, b.text, 0, point);
  const auto logits = block.Forward({{}, b.f});
  const auto gradient =
      block.KeyGradient(b.f, LeadOf(logits, 0, at::logsumexp(logits, {1}), b.labels));
  const auto keys = b.keys.to(at::kDouble).requires_grad_(true);
  SmallBlock wide = b;
  wide.f = b.f.to(at::kDouble);
  wide.text = b.text.to(at::kDouble);
  wide.weight = b.weight.to(at::kDouble);
  at::cross_entropy_loss(ReferenceLogits(wide, keys, 1.3, 5.5), b.labels).backward();
  const auto want = keys.grad().reshape({24, 16});
  const double error =
      (gradient.to(at::kDouble) - want).norm().item<double>() / want.norm().item<double>();
  EXPECT_LT(error, 1e-5);
  EXPECT_GT(want.norm().item<double>(), 1e-3);
  EXPECT_EQ(gradient[11].abs().sum().item<float>(), 0.0f);  // the padded key
}

TEST(KeyBlock, StepIsAdamW) {
  const SmallBlock b = MakeBlock();
  const KeyPoint point(1.3, 5.5, {});
  KeyBlock block(b.keys, b.weight, b.text, 0, point);
  Optimizer adam;
  auto keys = b.keys.reshape({24, 16}).to(at::kDouble).clone();
  auto m = at::zeros_like(keys), v = at::zeros_like(keys);
  for (int step = 1; step <= 10; ++step) {
    const double lr = 1e-3 / step;
    const auto logits = block.Forward({{}, b.f});
    const auto lead = LeadOf(logits, 0, at::logsumexp(logits, {1}), b.labels);
    const auto g = block.KeyGradient(b.f, lead).to(at::kDouble);
    adam.step = step;
    block.Backward({{}, b.f}, lead, adam, lr);
    // Loshchilov and Hutter 2019, as torch.optim.AdamW orders it.
    keys = keys * (1 - lr * adam.weight_decay);
    m = adam.beta1 * m + (1 - adam.beta1) * g;
    v = adam.beta2 * v + (1 - adam.beta2) * g * g;
    const auto m_hat = m / (1 - std::pow(adam.beta1, step)),
               v_hat = v / (1 - std::pow(adam.beta2, step));
    keys = keys - lr * m_hat / (v_hat.sqrt() + adam.eps);
  }
  const double error = (block.keys().to(at::kDouble) - keys).abs().max().item<double>() /
                       keys.abs().max().item<double>();
  EXPECT_LT(error, 1e-6);
}

class TrainerKeys : public ::testing::TestWithParam<bool> {};

TEST_P(TrainerKeys, UntrainedEvaluationEqualsTheEngineAndTrainingHelps) {
  const auto small = MakeSmallProblem(21, 4, 400, 24, /*uneven=*/GetParam());
  SelfComm comm;
  KeyTrainer trainer(small.cache_model, small.rows_by_class, 2.0, 4.0, {"cpu", 2}, comm);
  const TopCounts before = trainer.Evaluate(small.queries);
  const TopCounts want = testing::ReferenceCounts(small, small.rows_by_class, 2.0, 4.0);
  EXPECT_EQ(before.top1, want.top1);
  EXPECT_EQ(before.top5, want.top5);
  EXPECT_EQ(trainer.GatherKeys().size(), small.cache_model.keys.size());
  EXPECT_EQ(trainer.GatherKeys(),
            small.cache_model.keys);  // classes are in order in this cache_model

  std::vector<std::int64_t> all;
  for (std::int64_t i = 0; i < trainer.samples(); ++i) all.push_back(i);
  const double first = trainer.Step(all, {}, 1e-2);
  double last = first;
  for (int step = 0; step < 30; ++step) last = trainer.Step(all, {}, 1e-2);
  EXPECT_LT(last, 0.9 * first);
}

INSTANTIATE_TEST_SUITE_P(KeysPerClass, TrainerKeys, ::testing::Bool());

TEST(Trainer, LossIsTheMeanCrossEntropy) {
  const auto small = MakeSmallProblem(18, 3, 10, 24);
  SelfComm comm;
  KeyTrainer trainer(small.cache_model, small.rows_by_class, 1.0, 5.5, {"cpu", 1}, comm);
  auto own = small;
  own.queries.features = small.cache_model.keys;
  own.queries.labels = small.cache_model.key_labels;
  double want = 0;
  std::vector<std::int64_t> batch;
  for (std::int64_t i = 0; i < 20; ++i) {
    batch.push_back(i);
    const auto logits = testing::ReferenceLogits(own, small.rows_by_class, i, 1.0, 5.5);
    double sum = 0;
    for (const double z : logits) sum += std::exp(z - logits[0]);
    want += std::log(sum) + logits[0] -
            logits[static_cast<std::size_t>(own.queries.labels[static_cast<std::size_t>(i)])];
  }
  EXPECT_NEAR(trainer.Step(batch, {}, 1e-3), want, 1e-3 * std::abs(want) + 1e-3);
}

TEST(ClassBlocks, CoverAllClassesOnce) {
  for (const std::int64_t classes : {1, 5, 16, 17, 1000}) {
    const auto bounds = ClassBlockBounds(classes);
    EXPECT_EQ(bounds.front(), 0);
    EXPECT_EQ(bounds.back(), classes);
    EXPECT_LE(bounds.size(), 17u);
    for (std::size_t b = 1; b < bounds.size(); ++b) EXPECT_GT(bounds[b], bounds[b - 1]);
  }
}

TEST(AdapterFile, RoundTripAndBadContent) {
  const testing::TempFolder folder;
  AdapterData data;
  data.width = 2;
  data.keys = {1, 2, 3, 4};
  data.class_index = {0, 1};
  data.cache_row = {5, 6};
  data.classes = {"a", "b"};
  data.text = {1, 0, 0, 1};
  data.alpha = 1.25;
  data.selected_epoch = 1;
  data.history = {{0.5, 3, 4}, {0.25, -1, -1}};
  data.tuned_on = TunedOn::kVal;
  WriteAdapterFile(folder / "a.h5", data);
  const AdapterData back = ReadAdapterFile(folder / "a.h5");
  EXPECT_EQ(back.keys, data.keys);
  EXPECT_EQ(back.alpha, 1.25);
  EXPECT_EQ(back.history[1].loss, 0.25);
  data.class_index = {0, 2};
  WriteAdapterFile(folder / "a.h5", data);
  EXPECT_THROW(ReadAdapterFile(folder / "a.h5"), Error);
  EXPECT_THROW(ParseSelect("best"), Error);
}

}  // namespace
}  // namespace clipsweep
