// APE-T (Zhu et al., ICCV 2023, arXiv 2304.01195): a residual R_c on some channels, added to the
// text row and to all keys of the class, and a weight a key; nothing is made unit again. With
// r_c = f . R_c on those channels
//
//   logits_c = s (f . t_c + r_c) + alpha exp(beta r_c) sum_{k in c} v_k exp(-beta (1 - f . x_k))
//
// so the affinity never changes, and a step costs one product of features and residuals.
#include <algorithm>

#include "common/compute/products.h"
#include "common/compute/tensors.h"
#include "finetune/methods/ape_channels.h"
#include "finetune/methods/tip_kernel.h"
#include "finetune/training/course.h"
#include "finetune/training/trainer.h"

namespace clipsweep {
namespace {

constexpr std::uint64_t kApeOrderStream = 0x6170652d74;
constexpr std::int64_t kLeastApeClasses = 32;                // of a block
constexpr std::int64_t kMostKernel = std::int64_t{1} << 28;  // values of all blocks kept: 1 GiB

struct ApeForm {
  const FewShot& problem;
  at::Tensor kept;  // [D] 1 on the channels that have a residual, else 0
  double alpha, beta;
};

class ApeBlock final : public TrainedBlock {
 public:
  ApeBlock(const ApeForm& form, std::int64_t first_class, std::int64_t classes)
      : TrainedBlock(first_class, classes),
        scale_(form.problem.logit_scale),
        alpha_(form.alpha),
        beta_(form.beta),
        kept_(form.kept),
        text_(form.problem.text.narrow(0, first_class, classes).contiguous()),
        residual_(at::zeros({classes, form.problem.width()}), true) {
    const FewShot& problem = form.problem;
    const auto first = problem.start[static_cast<std::size_t>(first_class)];
    const auto count = problem.start[static_cast<std::size_t>(first_class + classes)] - first;
    keys_ = problem.keys.narrow(0, first, count).contiguous();
    for (std::int64_t k = first; k < first + count; ++k) {
      labels_.push_back(problem.labels[static_cast<std::size_t>(k)] -
                        static_cast<std::int32_t>(first_class));
    }
    key_weight_ = Parameter(at::ones({count}), true);
    class_of_key_ = at::tensor(labels_, at::kInt).to(at::kLong);
    keeps_kernel_ = problem.count() * problem.count() <= kMostKernel;
  }

  void SetSamples(const at::Tensor& samples) override {
    text_logits_ = TimesTransposed(samples, text_, scale_);
    if (keeps_kernel_) kernels_ = Kernel(samples);
  }

  at::Tensor Forward(const Batch& batch) override {
    kernel_ = keeps_kernel_ ? kernels_.index_select(0, batch.numbers) : Kernel(batch.features);
    const at::Tensor r = TimesTransposed(batch.features, residual_.value);
    grown_ = (r * beta_).exp_();
    sums_ = grown_ * Sums(kernel_);
    at::Tensor logits = text_logits_.index_select(0, batch.numbers);
    return logits.add_(r, scale_).add_(sums_, alpha_);
  }

  std::vector<float> Backward(const Batch& batch, const at::Tensor& lead,
                              const Optimizer& optimizer, double lr) override {
    const at::Tensor by_r = lead * (sums_ * (alpha_ * beta_) + scale_);
    const at::Tensor by_sum = (lead * grown_).mul_(alpha_);  // [B, c]
    const at::Tensor by_weight = (kernel_ * by_sum.index_select(1, class_of_key_)).sum(0);
    residual_.Step(TimesTransposed(by_r.t(), batch.features.t()).mul_(kept_), optimizer, lr);
    key_weight_.Step(by_weight, optimizer, lr);
    return {};
  }

  at::Tensor Logits(const at::Tensor& f) const override {
    const at::Tensor r = TimesTransposed(f, residual_.value);
    at::Tensor logits = TimesTransposed(f, text_, scale_).add_(r, scale_);
    return logits.add_((r * beta_).exp_().mul_(Sums(Kernel(f))), alpha_);
  }

  NamedTensors State() override {
    NamedTensors state;
    AddState(state, "residual", residual_);
    AddState(state, "key_weight", key_weight_);
    best_.AddTo(state);
    return state;
  }
  void KeepBest() override { best_.Keep(Learned()); }
  void TakeBest() override { best_.TakeInto(Learned()); }

  const at::Tensor& residual() const { return residual_.value; }
  // [rows, 1]: a block's keys, padded to as many as the block with most has.
  at::Tensor KeyWeights() const { return key_weight_.value.unsqueeze(1); }

 private:
  at::Tensor Kernel(const at::Tensor& f) const {
    return TimesTransposed(f, keys_, beta_, -beta_).exp_();
  }
  at::Tensor Sums(const at::Tensor& kernel) const {
    return ClassSumsOf(kernel * key_weight_.value, labels_, classes());
  }
  NamedTensors Learned() {
    return {{"residual", residual_.value}, {"key_weight", key_weight_.value}};
  }

  const double scale_, alpha_, beta_;
  std::vector<std::int32_t> labels_;
  at::Tensor kept_, text_, keys_, class_of_key_;
  Parameter residual_, key_weight_{at::empty({0}), false};
  bool keeps_kernel_ = true;
  at::Tensor text_logits_, kernels_;  // of all samples
  at::Tensor kernel_, grown_, sums_;  // of the last Forward
  BestOf best_;
};

// [D]: 1 on the channels, else 0.
at::Tensor MaskOf(const std::vector<std::int32_t>& channels, std::int64_t width) {
  at::Tensor mask = at::zeros({width});
  for (const std::int32_t channel : channels) mask.mutable_data_ptr<float>()[channel] = 1;
  return mask;
}

class ApeT final : public Method {
 public:
  MethodInfo Info() const override {
    return {
        .name = "ape-t",
        .title = "APE-T",
        .paper = "Zhu et al., ICCV 2023, arXiv 2304.01195",
        .about = "a residual a class on text and keys, and a weight a key, trained",
        .tuned = "epoch",
        .settings = {Real("lr", 1e-3, 1e-9, 10, "AdamW's learning rate, cosine to 0"),
                     Real("eps", 1e-3, 1e-12, 1, "AdamW's epsilon"),
                     Real("weight-decay", 0.1, 0, 10, "AdamW's weight decay"),
                     Whole("epochs", 30, 1, 100000, "passes over the images"),
                     Whole("batch", 256, 1, 1 << 20, "images a step"),
                     Real("alpha", 1, 0, kMostTipAlpha, "weight of the cache"),
                     Real("beta", 1, 0, 1000, "sharpness of the cache"),
                     Depending(Whole("channels", 900, 1, 1 << 20, "channels with a residual"),
                               "900 of 1024", [](const FewShot& p) { return ForWidth(900, p); }),
                     Real("w0", 0.2, 0, 100, "of the criterion: weight of likeness of classes"),
                     Real("w1", 0.8, 0, 100, "of the criterion: weight of the text's variance")},
        .trains = true,
        .selects_epoch = true};
  }

  Fitted Fit(const FewShot& problem, const Settings& settings, FitJob& job) const override {
    const auto channels =
        MostTellingChannels(problem, static_cast<std::int64_t>(settings.at("channels")),
                            settings.at("w0"), settings.at("w1"), /*with_images=*/false);
    const ApeForm form{problem, MaskOf(channels, problem.width()), settings.at("alpha"),
                       settings.at("beta")};
    const EpochBatches batches(problem.count(), static_cast<std::int64_t>(settings.at("batch")),
                               /*drop_last=*/false, job.seed, kApeOrderStream);
    Course course = CosineCourse(
        Info().name, batches, static_cast<std::int64_t>(settings.at("epochs")), settings.at("lr"));
    course.optimizer.eps = settings.at("eps");
    course.optimizer.weight_decay = settings.at("weight-decay");
    course.selection = job.tune;
    course.selection_name = job.tune_name;
    Trainer trainer(problem.classes(), problem.labels, job.compute, job.comm, kLeastApeClasses);
    trainer.MakeBlocks(problem.keys, [&](std::int64_t first, std::int64_t count) {
      return std::make_unique<ApeBlock>(form, first, count);
    });
    CourseResult done = RunCourse(course, trainer, job.store, job.comm);

    const at::Tensor residual = trainer.GatherRows(
        [](const TrainedBlock& b) { return static_cast<const ApeBlock&>(b).residual(); },
        problem.width());
    KernelParts parts;
    parts.text = problem.text + residual;
    parts.keys =
        problem.keys + residual.index_select(0, at::tensor(problem.labels, at::kInt).to(at::kLong));
    parts.values = GatherKeyWeights(problem, trainer);
    parts.class_index = problem.labels;
    parts.scale = problem.logit_scale;
    parts.alpha = form.alpha;
    parts.beta = form.beta;
    Fitted fitted;
    fitted.classifier = std::make_unique<KernelClassifier>(std::move(parts));
    TakeCourse(std::move(done), fitted);
    return fitted;
  }

 private:
  static at::Tensor GatherKeyWeights(const FewShot& problem, Trainer& trainer) {
    const auto bounds = ClassBlockBounds(problem.classes(), kLeastApeClasses);
    const auto keys_of = [&](std::size_t b) {
      return problem.start[static_cast<std::size_t>(bounds[b + 1])] -
             problem.start[static_cast<std::size_t>(bounds[b])];
    };
    std::int64_t most = 0;
    for (std::size_t b = 0; b + 1 < bounds.size(); ++b) most = std::max(most, keys_of(b));
    std::vector<float> weights;
    trainer.GatherBlocks(
        [](const TrainedBlock& b) { return static_cast<const ApeBlock&>(b).KeyWeights(); }, most, 1,
        [&](std::size_t b, const float* values) {
          weights.insert(weights.end(), values, values + keys_of(b));
        });
    return at::tensor(weights);
  }
};

}  // namespace

std::unique_ptr<Method> MakeApeT() { return std::make_unique<ApeT>(); }

}  // namespace clipsweep
