// Zero-shot: the text weights alone.
#include "common/compute/tensors.h"
#include "finetune/methods/method.h"

namespace clipsweep {
namespace {

class ZeroShot final : public Method {
 public:
  MethodInfo Info() const override {
    return {.name = "zero-shot",
            .title = "zero-shot",
            .paper = "Radford et al., ICML 2021, arXiv 2103.00020",
            .about = "the text weights alone; learns nothing from the images",
            .tuned = "",
            .settings = {},
            .of_every_study = true};
  }

  Fitted Fit(const FewShot& problem, const Settings&, FitJob&) const override {
    Fitted fitted;
    fitted.classifier =
        std::make_unique<LinearClassifier>(problem.text * problem.logit_scale, at::Tensor());
    return fitted;
  }
};

}  // namespace

std::unique_ptr<Method> MakeZeroShot() { return std::make_unique<ZeroShot>(); }

}  // namespace clipsweep
