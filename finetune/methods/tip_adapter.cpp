// Tip-Adapter (Zhang et al., ECCV 2022, arXiv 2111.03930), equation 5:
//
//   logits = s f T^T + alpha sum_k exp(-beta (1 - f . key_k)) [class of k]
#include "common/compute/products.h"
#include "common/compute/tensors.h"
#include "finetune/methods/tip_kernel.h"

namespace clipsweep {
namespace {

class TipAdapter final : public Method {
 public:
  MethodInfo Info() const override {
    return {.name = "tip-adapter",
            .title = "Tip-Adapter",
            .paper = "Zhang et al., ECCV 2022, arXiv 2111.03930",
            .about = "a cache of the training images, added to the text's logits",
            .tuned = "alpha (exact), beta",
            .settings = TipSettings(),
            .alpha = {true, 0, kMostTipAlpha},
            .of_every_study = true};
  }

  Fitted Fit(const FewShot& problem, const Settings& settings, FitJob&) const override {
    KernelParts parts;
    parts.text = problem.text;
    parts.scale = problem.logit_scale;
    parts.alpha = settings.at("alpha");
    parts.beta = settings.at("beta");
    parts.keys = problem.keys;
    parts.class_index = problem.labels;
    Fitted fitted;
    fitted.classifier = std::make_unique<KernelClassifier>(std::move(parts));
    return fitted;
  }

  std::unique_ptr<Residual> MakeResidual(const FewShot& problem, const Settings& settings,
                                         const std::vector<Setting>& open,
                                         const Compute&) const override {
    return MakeTipResidual(problem, settings, open);
  }
};

}  // namespace

std::unique_ptr<Method> MakeTipAdapter() { return std::make_unique<TipAdapter>(); }

}  // namespace clipsweep
