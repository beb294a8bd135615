// CLIP-Adapter (Gao et al., IJCV 2024, arXiv 2110.04544): two small matrices on the features,
//
//   f' = r relu(B relu(A f)) + (1 - r) f, then unit; logits = s f' T^T
//
// trained as CoOp's code trains: SGD, momentum 0.9, weight decay 5e-4.
#include <cmath>

#include "common/compute/products.h"
#include "common/compute/random.h"
#include "common/compute/tensors.h"
#include "finetune/methods/linear_block.h"

namespace clipsweep {
namespace {

constexpr std::uint64_t kStartStream = 0x61646170746572;
constexpr std::int64_t kNarrower = 4;  // the hidden layer is so many times narrower
// Of a block: each gives a gradient as large as the batch's features, so a few large ones.
constexpr std::int64_t kLeastTextClasses = 256;

// Uniform in +- 1 / sqrt(columns), as nn.Linear starts.
at::Tensor RandomMatrix(std::int64_t rows, std::int64_t columns, std::uint64_t seed,
                        std::uint64_t which) {
  Random random(seed, kStartStream, which);
  const double reach = 1 / std::sqrt(static_cast<double>(columns));
  at::Tensor matrix = at::empty({rows, columns});
  float* value = matrix.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < matrix.numel(); ++i) {
    const double unit = static_cast<double>(random.Next() >> 11) * 0x1p-53;
    value[i] = static_cast<float>((2 * unit - 1) * reach);
  }
  return matrix;
}

// The text rows of some classes; what is learned is shared by all.
class TextBlock final : public TrainedBlock {
 public:
  TextBlock(const FewShot& problem, std::int64_t first_class, std::int64_t classes)
      : TrainedBlock(first_class, classes),
        scale_(problem.logit_scale),
        text_(problem.text.narrow(0, first_class, classes).contiguous()),
        columns_(text_.t().contiguous()) {}

  at::Tensor Forward(const Batch& batch) override { return Logits(batch.features); }
  at::Tensor Logits(const at::Tensor& f) const override {
    return TimesTransposed(f, text_, scale_);
  }
  std::vector<float> Backward(const Batch&, const at::Tensor& lead, const Optimizer&,
                              double) override {
    const at::Tensor gradient = TimesTransposed(lead, columns_, scale_).contiguous();  // [B, D]
    return {gradient.const_data_ptr<float>(), gradient.const_data_ptr<float>() + gradient.numel()};
  }
  NamedTensors State() override { return {}; }
  void KeepBest() override {}
  void TakeBest() override {}

 private:
  const double scale_;
  at::Tensor text_, columns_;
};

class Bottleneck final : public SharedPart {
 public:
  Bottleneck(std::int64_t width, double ratio, std::uint64_t seed)
      : width_(width),
        ratio_(ratio),
        down_(RandomMatrix(std::max<std::int64_t>(width / kNarrower, 1), width, seed, 0), true),
        up_(RandomMatrix(width, std::max<std::int64_t>(width / kNarrower, 1), seed, 1), true) {}

  bool transforms() const override { return true; }
  at::Tensor Transform(const at::Tensor& f) const override {
    return ResidualClassifier::Adapted(f, down_.value, up_.value, ratio_);
  }
  std::int64_t GradientSize(std::int64_t samples) const override { return samples * width_; }

  at::Tensor Forward(const at::Tensor& f) override {
    hidden_ = TimesTransposed(f, down_.value).clamp_min_(0);
    out_ = TimesTransposed(hidden_, up_.value).clamp_min_(0);
    const at::Tensor mixed = (out_ * ratio_).add_(f, 1 - ratio_);
    length_ = mixed.norm(2, {1}, /*keepdim=*/true).clamp_min(1e-12);
    unit_ = mixed / length_;
    return unit_;
  }

  // gradient: of the loss by f', the unit rows.
  void Step(const at::Tensor& f, const std::vector<double>& gradient, const Optimizer& optimizer,
            double lr, WorkerPool& pool) override {
    at::Tensor by_out, by_hidden;
    pool.Run(1, [&](std::int64_t, int) {
      const at::Tensor by_unit =
          at::from_blob(const_cast<double*>(gradient.data()), {f.size(0), width_}, at::kDouble)
              .to(at::kFloat);
      const at::Tensor by_mixed =
          (by_unit - unit_ * (by_unit * unit_).sum(1, /*keepdim=*/true)) / length_;
      by_out = (by_mixed * ratio_).mul_(out_.gt(0));
      by_hidden = at::mm(by_out, up_.value).mul_(hidden_.gt(0));
    });
    pool.Run(2, [&](std::int64_t which, int) {
      if (which == 0) {
        up_.Step(TimesTransposed(by_out.t(), hidden_.t()), optimizer, lr);
      } else {
        down_.Step(TimesTransposed(by_hidden.t(), f.t()), optimizer, lr);
      }
    });
  }

  NamedTensors State() override {
    NamedTensors state;
    AddState(state, "down", down_);
    AddState(state, "up", up_);
    return state;
  }

  const at::Tensor& down() const { return down_.value; }
  const at::Tensor& up() const { return up_.value; }

 private:
  const std::int64_t width_;
  const double ratio_;
  Parameter down_, up_;
  at::Tensor hidden_, out_, length_, unit_;  // of the last Forward
};

class ClipAdapter final : public Method {
 public:
  MethodInfo Info() const override {
    return {.name = "clip-adapter",
            .title = "CLIP-Adapter",
            .paper = "Gao et al., IJCV 2024, arXiv 2110.04544",
            .about = "two small matrices on the features, trained",
            .tuned = "ratio",
            .settings = {Tuned(Real("ratio", 0.2, 0, 1, "of what is learned to the features"),
                               {0.2, 0.4, 0.6, 0.8}),
                         Real("lr", 2e-3, 1e-9, 10, "SGD's learning rate, cosine by epoch"),
                         Whole("epochs", 200, 1, 100000, "passes over the images"),
                         Whole("batch", 32, 1, 1 << 20,
                               "images a step; a smaller last one is left out")},
            .trains = true};
  }

  Fitted Fit(const FewShot& problem, const Settings& settings, FitJob& job) const override {
    Course course =
        DasslCourse(Info().name, problem.count(), static_cast<std::int64_t>(settings.at("epochs")),
                    static_cast<std::int64_t>(settings.at("batch")), settings.at("lr"), job.seed);
    course.optimizer.kind = Optimizer::Kind::kSgd;
    course.optimizer.weight_decay = 5e-4;
    auto shared = std::make_shared<Bottleneck>(problem.width(), settings.at("ratio"), job.seed);
    Trainer trainer(problem.classes(), problem.labels, job.compute, job.comm, kLeastTextClasses);
    trainer.MakeBlocks(
        problem.keys,
        [&](std::int64_t first, std::int64_t count) {
          return std::make_unique<TextBlock>(problem, first, count);
        },
        shared);
    CourseResult done = RunCourse(course, trainer, job.store, job.comm);
    Fitted fitted;
    fitted.classifier = std::make_unique<ResidualClassifier>(
        shared->down(), shared->up(), problem.text, problem.logit_scale, settings.at("ratio"));
    TakeCourse(std::move(done), fitted);
    return fitted;
  }
};

}  // namespace

std::unique_ptr<Method> MakeClipAdapter() { return std::make_unique<ClipAdapter>(); }

}  // namespace clipsweep
