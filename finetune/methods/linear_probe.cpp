// The linear probe that starts at the text (ZS-LP of Silva-Rodriguez et al., CVPR 2024, arXiv
// 2312.12730): logits = s f . w / |w|, cross-entropy, SGD with momentum.
#include "common/compute/tensors.h"
#include "finetune/methods/probe.h"

namespace clipsweep {
namespace {

class LinearProbe final : public Method {
 public:
  MethodInfo Info() const override {
    return {.name = "linear-probe",
            .title = "linear probe",
            .paper = "Silva-Rodríguez et al., CVPR 2024, arXiv 2312.12730 (ZS-LP)",
            .about = "a linear classifier that starts at the text",
            .tuned = "",
            .settings = ProbeSettings(),
            .trains = true};
  }

  Fitted Fit(const FewShot& problem, const Settings& settings, FitJob& job) const override {
    return FitProbe(Info().name, problem, settings, /*pull=*/{}, job);
  }
};

}  // namespace

std::unique_ptr<Method> MakeLinearProbe() { return std::make_unique<LinearProbe>(); }

}  // namespace clipsweep
