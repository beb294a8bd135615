// APE (Zhu et al., ICCV 2023, arXiv 2304.01195): Tip-Adapter's kernel on the channels that tell
// classes apart, each key weighted by how badly the text classifies it. As the official code does:
//
//   q', x', t': the kept channels at unit length
//   KL_k = log2((1 + 1e-6) / (p_k + 1e-6)), p_k = softmax_c(x'_k . t'_c) at the key's class
//   logits = s f T^T + alpha sum_k exp(gamma KL_k) exp(-beta (1 - q' . x'_k)) [class of k]
#include <cmath>

#include "common/compute/products.h"
#include "common/compute/tensors.h"
#include "common/compute/workers.h"
#include "finetune/methods/ape_channels.h"
#include "finetune/methods/tip_kernel.h"

namespace clipsweep {
namespace {

constexpr double kTiny = 1e-6;

std::vector<std::int32_t> ChannelsOf(const FewShot& problem, const Settings& settings) {
  return MostTellingChannels(problem, static_cast<std::int64_t>(settings.at("channels")),
                             settings.at("w0"), settings.at("w1"), /*with_images=*/true);
}

// KL [K] of each key.
at::Tensor Divergence(const FewShot& problem, const std::vector<std::int32_t>& channels,
                      int workers) {
  const at::Tensor text = KeptChannels(problem.text, channels);
  at::Tensor divergence = at::empty({problem.count()});
  constexpr std::int64_t kRows = 256;
  WorkerPool(workers, WorkerPool::Signals::kIgnore)
      .Run((problem.count() + kRows - 1) / kRows, [&](std::int64_t block, int) {
        const std::int64_t first = block * kRows;
        const std::int64_t rows = std::min(kRows, problem.count() - first);
        const at::Tensor keys = KeptChannels(problem.keys.narrow(0, first, rows), channels);
        const at::Tensor p = TimesTransposed(keys, text).softmax(1);
        for (std::int64_t i = 0; i < rows; ++i) {
          const std::int64_t k = first + i;
          const float own = p.const_data_ptr<float>()[i * problem.classes() +
                                                      problem.labels[static_cast<std::size_t>(k)]];
          divergence.mutable_data_ptr<float>()[k] =
              static_cast<float>(std::log2((1 + kTiny) / (own + kTiny)));
        }
      });
  return divergence;
}

class ApeResidual final : public Residual {
 public:
  ApeResidual(const FewShot& problem, const Settings& settings, const std::vector<Setting>& open,
              int workers)
      : points_(GridOf(settings, open)),
        text_(problem.text, problem.logit_scale),
        channels_(ChannelsOf(problem, settings)),
        sums_(KeptChannels(problem.keys, channels_), problem.labels, problem.classes(), channels_),
        divergence_(Divergence(problem, channels_, workers)) {}

  std::vector<Settings> Points() const override { return points_; }
  at::Tensor Z(const at::Tensor& features) const override { return text_(features); }
  void ForEachPoint(const at::Tensor& features, const Use& use) const override {
    const at::Tensor affinity = sums_.Affinity(features);
    at::Tensor kernel;
    for (std::size_t p = 0; p < points_.size(); ++p) {  // beta is the outer setting
      const double beta = points_[p].at("beta");
      if (p == 0 || beta != points_[p - 1].at("beta")) kernel = KernelSums::Kernel(affinity, beta);
      use(p, sums_.Sums(kernel, (divergence_ * points_[p].at("gamma")).exp_()));
    }
  }

 private:
  std::vector<Settings> points_;
  TextProduct text_;
  std::vector<std::int32_t> channels_;
  KernelSums sums_;
  at::Tensor divergence_;
};

class Ape final : public Method {
 public:
  MethodInfo Info() const override {
    return {
        .name = "ape",
        .title = "APE",
        .paper = "Zhu et al., ICCV 2023, arXiv 2304.01195",
        .about = "Tip-Adapter on the channels that tell classes apart, keys weighted; no training",
        .tuned = "alpha (exact), beta, gamma",
        .settings = {Real("alpha", 1, 0, kMostTipAlpha, "weight of the cache"),
                     Tuned(Real("beta", 1, 0, 1000, "sharpness of the cache"), BetaGrid()),
                     Tuned(Real("gamma", 0.1, 0, 10, "weight of a key's divergence"),
                           {0, 0.05, 0.1, 0.2, 0.3, 0.5}),
                     Depending(Whole("channels", 800, 1, 1 << 20, "channels that are kept"),
                               "800 of 1024", [](const FewShot& p) { return ForWidth(800, p); }),
                     Real("w0", 0.5, 0, 100, "of the criterion: weight of likeness of classes"),
                     Real("w1", 0.5, 0, 100, "of the criterion: weight of the text's variance")},
        .alpha = {true, 0, kMostTipAlpha}};
  }

  Fitted Fit(const FewShot& problem, const Settings& settings, FitJob& job) const override {
    Fitted fitted;
    Agree(job.comm, [&] {
      KernelParts parts;
      parts.text = problem.text;
      parts.scale = problem.logit_scale;
      parts.alpha = settings.at("alpha");
      parts.beta = settings.at("beta");
      parts.channels = ChannelsOf(problem, settings);
      parts.keys = KeptChannels(problem.keys, parts.channels);
      parts.values =
          (Divergence(problem, parts.channels, job.compute.workers) * settings.at("gamma")).exp_();
      parts.class_index = problem.labels;
      fitted.classifier = std::make_unique<KernelClassifier>(std::move(parts));
    });
    return fitted;
  }

  std::unique_ptr<Residual> MakeResidual(const FewShot& problem, const Settings& settings,
                                         const std::vector<Setting>& open,
                                         const Compute& compute) const override {
    return std::make_unique<ApeResidual>(problem, settings, open, compute.workers);
  }
};

}  // namespace

std::unique_ptr<Method> MakeApe() { return std::make_unique<Ape>(); }

}  // namespace clipsweep
