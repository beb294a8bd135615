#include "finetune/methods/tip_kernel.h"

#include <cmath>

#include "common/compute/products.h"
#include "common/compute/tensors.h"

namespace clipsweep {
namespace {

class TipResidual final : public Residual {
 public:
  TipResidual(const FewShot& problem, const Settings& settings, const std::vector<Setting>& open)
      : points_(GridOf(settings, open)),
        text_(problem.text, problem.logit_scale),
        sums_(problem.keys, problem.labels, problem.classes(), {}) {}

  std::vector<Settings> Points() const override { return points_; }
  at::Tensor Z(const at::Tensor& features) const override { return text_(features); }
  void ForEachPoint(const at::Tensor& features, const Use& use) const override {
    const at::Tensor affinity = sums_.Affinity(features);
    for (std::size_t p = 0; p < points_.size(); ++p) {
      use(p, sums_.Sums(KernelSums::Kernel(affinity, points_[p].at("beta")), {}));
    }
  }

 private:
  std::vector<Settings> points_;
  TextProduct text_;
  KernelSums sums_;
};

}  // namespace

std::vector<double> BetaGrid() {
  std::vector<double> grid;
  for (int i = 0; i <= 32; ++i) grid.push_back(std::round(1000 * 0.25 * std::exp2(i / 4.0)) / 1000);
  return grid;
}

std::vector<Setting> TipSettings() {
  return {Real("alpha", 1, 0, kMostTipAlpha, "weight of the cache"),
          Tuned(Real("beta", 5.5, 0, 1000, "sharpness of the cache"), BetaGrid())};
}

std::unique_ptr<Residual> MakeTipResidual(const FewShot& problem, const Settings& settings,
                                          const std::vector<Setting>& open) {
  return std::make_unique<TipResidual>(problem, settings, open);
}

KernelSums::KernelSums(at::Tensor keys, std::vector<std::int32_t> labels, std::int64_t classes,
                       std::vector<std::int32_t> channels)
    : keys_(std::move(keys)),
      labels_(std::move(labels)),
      classes_(classes),
      channels_(std::move(channels)) {}

at::Tensor KernelSums::Affinity(const at::Tensor& features) const {
  return TimesTransposed(KeptChannels(features, channels_), keys_);
}

at::Tensor KernelSums::Kernel(const at::Tensor& affinity, double beta) {
  return (affinity - 1.0).mul_(beta).exp_();
}

at::Tensor KernelSums::Sums(const at::Tensor& kernel, const at::Tensor& weight) const {
  return ClassSumsOf(weight.defined() ? kernel * weight : kernel, labels_, classes_);
}

}  // namespace clipsweep
