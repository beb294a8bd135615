// LP++ (Huang et al., CVPR 2024, arXiv 2404.02285): a linear probe whose text weight is learned a
// class, by full-batch steps with rates from the data.
//
//   logits_c = f . w_c + b_c + a_c (f . t_c)
//   w_c starts at the sum of the class's rows, b_c at 0, a_c at 250 mean_c mean_k (x_k . t_c)
//   w, b: momentum 0.9, rate 4 K / lambda_max(X^T X)
//   a: every tenth step, rate K / (4 max_c sum_k (x_k . t_c)^2)
//
// The official code never clears the gradient of a, so its step uses the sum of all gradients so
// far (variant code); the paper means the fresh one (variant paper).
#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "common/compute/products.h"
#include "common/compute/tensors.h"
#include "common/compute/workers.h"
#include "finetune/methods/linear_block.h"

namespace clipsweep {
namespace {

constexpr std::int64_t kAlphaEvery = 10;
constexpr double kAlphaStart = 250;

struct Start {
  at::Tensor weight;  // [C, D]
  double alpha = 0;   // of every class
  double rate = 0, alpha_rate = 0;
};

class LpBlock final : public TrainedBlock {
 public:
  LpBlock(const FewShot& problem, const Start& start, bool sums_gradients, std::int64_t first_class,
          std::int64_t classes)
      : TrainedBlock(first_class, classes),
        alpha_rate_(start.alpha_rate),
        sums_gradients_(sums_gradients),
        text_(problem.text.narrow(0, first_class, classes).contiguous()),
        weight_(start.weight.narrow(0, first_class, classes).clone(), true),
        bias_(at::zeros({classes}), true),
        alpha_(at::full({classes}, start.alpha, at::kFloat)),
        alpha_gradient_(at::zeros({classes})) {}

  void SetSamples(const at::Tensor& samples) override {
    text_logits_ = TimesTransposed(samples, text_);
  }

  at::Tensor Forward(const Batch& batch) override {  // the whole set, in order
    at::Tensor logits = TimesTransposed(batch.features, weight_.value).add_(bias_.value);
    return logits.addcmul_(text_logits_, alpha_);
  }

  std::vector<float> Backward(const Batch& batch, const at::Tensor& lead,
                              const Optimizer& optimizer, double lr) override {
    const at::Tensor alpha_gradient = (lead * text_logits_).sum(0);
    weight_.Step(TimesTransposed(lead.t(), batch.features.t()), optimizer, lr);
    bias_.Step(lead.sum(0), optimizer, lr);
    if (sums_gradients_) alpha_gradient_.add_(alpha_gradient);
    if (optimizer.step % kAlphaEvery == 0) {
      alpha_.sub_(sums_gradients_ ? alpha_gradient_ : alpha_gradient, alpha_rate_);
    }
    return {};
  }

  at::Tensor Logits(const at::Tensor& f) const override {
    return TimesTransposed(f, Rows()).add_(bias_.value);
  }

  NamedTensors State() override {
    NamedTensors state;
    AddState(state, "weight", weight_);
    AddState(state, "bias", bias_);
    state.emplace_back("alpha", alpha_);
    state.emplace_back("alpha_gradient", alpha_gradient_);
    best_.AddTo(state);
    return state;
  }
  void KeepBest() override { best_.Keep(Learned()); }
  void TakeBest() override { best_.TakeInto(Learned()); }

  // w + a t [c, D] and b [c]: the classifier's rows and bias.
  at::Tensor Rows() const { return weight_.value + text_ * alpha_.unsqueeze(1); }
  const at::Tensor& bias() const { return bias_.value; }

 private:
  NamedTensors Learned() {
    return {{"weight", weight_.value}, {"bias", bias_.value}, {"alpha", alpha_}};
  }

  const double alpha_rate_;
  const bool sums_gradients_;
  at::Tensor text_;
  Parameter weight_, bias_;
  at::Tensor alpha_, alpha_gradient_, text_logits_;
  BestOf best_;
};

// The largest eigenvalue of X^T X, in double precision.
double LargestEigenvalue(const at::Tensor& rows) {
  const bool wide = rows.size(0) < rows.size(1);  // the smaller of X X^T and X^T X
  const at::Tensor x = wide ? rows : rows.t().contiguous();
  const at::Tensor gram = TimesTransposed(x, x).to(at::kDouble);
  // Power iteration from a fixed start; the first eigenvector of rows near one another is close to
  // their mean, so it settles fast.
  at::Tensor v = gram.sum(1);
  double value = 0;
  for (int i = 0; i < 1000; ++i) {
    v = v / v.norm(2, {0});
    const at::Tensor next = at::mv(gram, v);
    const double now = (next * v).sum().item<double>();
    const bool settled = std::abs(now - value) <= 1e-12 * now;
    value = now;
    v = next;
    if (settled) break;
  }
  return value;
}

Start MakeStart(const FewShot& problem) {
  Start start;
  const auto keys = static_cast<double>(problem.count());
  start.weight = at::empty({problem.classes(), problem.width()});
  double mean = 0;
  std::vector<double> squares(static_cast<std::size_t>(problem.classes()), 0.0);
  for (std::int64_t c = 0; c < problem.classes(); ++c) {
    const auto first = problem.start[static_cast<std::size_t>(c)];
    const auto count = problem.start[static_cast<std::size_t>(c) + 1] - first;
    const at::Tensor rows = problem.keys.narrow(0, first, count);
    start.weight[c].copy_(rows.to(at::kDouble).sum(0));
    mean += (start.weight[c] * problem.text[c]).sum(at::kDouble).item<double>() /
            static_cast<double>(count);
  }
  start.alpha = kAlphaStart * mean / static_cast<double>(problem.classes());
  constexpr std::int64_t kRows = 1024;
  for (std::int64_t first = 0; first < problem.count(); first += kRows) {
    const at::Tensor z = TimesTransposed(
        problem.keys.narrow(0, first, std::min(kRows, problem.count() - first)), problem.text);
    const at::Tensor sum = z.to(at::kDouble).pow(2).sum(0).contiguous();
    for (std::size_t c = 0; c < squares.size(); ++c) squares[c] += sum.const_data_ptr<double>()[c];
  }
  start.alpha_rate = keys / (4 * *std::max_element(squares.begin(), squares.end()));
  start.rate = 4 * keys / LargestEigenvalue(problem.keys);
  return start;
}

class LpPlusPlus final : public Method {
 public:
  MethodInfo Info() const override {
    return {.name = "lp++",
            .title = "LP++",
            .paper = "Huang et al., CVPR 2024, arXiv 2404.02285",
            .about = "a linear probe with a learned weight of the text for each class",
            .tuned = "epoch",
            .settings = {Whole("epochs", 300, 1, 100000, "steps, each on all images"),
                         Word("variant", {"code", "paper"},
                              "the text weight's gradient: summed over all steps as the official "
                              "code does, or fresh")},
            .trains = true,
            .selects_epoch = true};
  }

  Fitted Fit(const FewShot& problem, const Settings& settings, FitJob& job) const override {
    Start start;
    Agree(job.comm, [&] {
      WorkerPool(1, WorkerPool::Signals::kIgnore)  // on one thread
          .Run(1, [&](std::int64_t, int) { start = MakeStart(problem); });
    });
    Course course;
    course.label = Info().name;
    course.epochs = static_cast<std::int64_t>(settings.at("epochs"));
    course.steps = 1;
    std::vector<std::int64_t> all(static_cast<std::size_t>(problem.count()));
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::int64_t>(i);
    course.batch = [all](std::int64_t, std::int64_t) { return all; };
    course.rate = [rate = start.rate](std::int64_t) { return rate; };
    course.optimizer.kind = Optimizer::Kind::kSgd;
    course.optimizer.weight_decay = 0;
    course.selection = job.tune;
    course.selection_name = job.tune_name;
    course.latest_of_equals = true;
    Trainer trainer(problem.classes(), problem.labels, job.compute, job.comm, kLeastLinearClasses);
    const bool sums = settings.at("variant") == 0;
    trainer.MakeBlocks(problem.keys, [&](std::int64_t first, std::int64_t count) {
      return std::make_unique<LpBlock>(problem, start, sums, first, count);
    });
    CourseResult done = RunCourse(course, trainer, job.store, job.comm);
    const auto rows = [](const TrainedBlock& b) { return static_cast<const LpBlock&>(b).Rows(); };
    const auto bias = [](const TrainedBlock& b) { return static_cast<const LpBlock&>(b).bias(); };
    Fitted fitted;
    fitted.classifier = std::make_unique<LinearClassifier>(
        trainer.GatherRows(rows, problem.width()), trainer.GatherRows(bias, 1).view({-1}));
    TakeCourse(std::move(done), fitted);
    return fitted;
  }
};

}  // namespace

std::unique_ptr<Method> MakeLpPlusPlus() { return std::make_unique<LpPlusPlus>(); }

}  // namespace clipsweep
