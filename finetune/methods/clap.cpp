// CLAP (Silva-Rodriguez et al., CVPR 2024, arXiv 2312.12730): the linear probe, held to the text by
// mean_c lambda_c |w_c - t_c|^2, where lambda_c is how well the text classifies the class's images:
// the mean over them of softmax(s x . t) at c, fixed from the start.
#include "common/compute/products.h"
#include "common/compute/tensors.h"
#include "finetune/methods/probe.h"

namespace clipsweep {
namespace {

at::Tensor Confidence(const FewShot& problem) {  // lambda [C]
  std::vector<double> sum(static_cast<std::size_t>(problem.classes()), 0.0);
  constexpr std::int64_t kRows = 256;
  const TextProduct text(problem.text, problem.logit_scale);
  for (std::int64_t first = 0; first < problem.count(); first += kRows) {
    const std::int64_t rows = std::min(kRows, problem.count() - first);
    const at::Tensor p = text(problem.keys.narrow(0, first, rows)).softmax(1);
    for (std::int64_t i = 0; i < rows; ++i) {
      const auto c = problem.labels[static_cast<std::size_t>(first + i)];
      sum[static_cast<std::size_t>(c)] += p.const_data_ptr<float>()[i * problem.classes() + c];
    }
  }
  at::Tensor lambda = at::empty({problem.classes()});
  for (std::size_t c = 0; c < sum.size(); ++c) {
    lambda.mutable_data_ptr<float>()[c] =
        static_cast<float>(sum[c] / static_cast<double>(problem.start[c + 1] - problem.start[c]));
  }
  return lambda;
}

class Clap final : public Method {
 public:
  MethodInfo Info() const override {
    return {.name = "clap",
            .title = "CLAP",
            .paper = "Silva-Rodríguez et al., CVPR 2024, arXiv 2312.12730",
            .about = "the linear probe, held to the text where the text is good",
            .tuned = "",
            .settings = ProbeSettings(),
            .trains = true};
  }

  Fitted Fit(const FewShot& problem, const Settings& settings, FitJob& job) const override {
    return FitProbe(Info().name, problem, settings, Confidence(problem), job);
  }
};

}  // namespace

std::unique_ptr<Method> MakeClap() { return std::make_unique<Clap>(); }

}  // namespace clipsweep
