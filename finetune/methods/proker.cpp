// ProKeR (Bendou et al., CVPR 2025, arXiv 2501.11175): the text's classifier corrected by kernel
// ridge regression on what it gets wrong, as the official code computes it:
//
//   k(a, b) = exp(-beta (1 - a . b));  A = (k(X, X) / lambda + I)^-1 (Y - X T^T)
//   logits = f T^T + k(f, X) A
//
// without CLIP's factor of 100, and with lambda as step size and ridge at once: the exact proximal
// solution would be k(f, X) A / lambda.
#include <fmt/core.h>

#include <algorithm>

#include "common/compute/products.h"
#include "common/compute/tensors.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "finetune/methods/free_memory.h"
#include "finetune/methods/kernel_system.h"
#include "finetune/methods/method.h"

namespace clipsweep {
namespace {

// The official code's values for ImageNet with RN50, by shots.
struct ByShots {
  std::int64_t shots;
  double beta, lambda;
};
constexpr ByShots kOfficial[] = {
    {1, 3, 0.05}, {2, 2.6, 0.05}, {4, 1.5, 0.05}, {8, 1.66, 0.07}, {16, 1.7, 0.1}};

const ByShots& Nearest(const FewShot& problem) {
  const std::int64_t shots = problem.shots();
  return *std::min_element(std::begin(kOfficial), std::end(kOfficial),
                           [&](const ByShots& a, const ByShots& b) {
                             return std::abs(a.shots - shots) < std::abs(b.shots - shots);
                           });
}

// Y - X T^T [K, C].
at::Tensor Missing(const FewShot& problem) {
  at::Tensor missing = at::empty({problem.count(), problem.classes()});
  constexpr std::int64_t kRows = 512;
  for (std::int64_t first = 0; first < problem.count(); first += kRows) {
    const std::int64_t rows = std::min(kRows, problem.count() - first);
    missing.narrow(0, first, rows)
        .copy_(TimesTransposed(problem.keys.narrow(0, first, rows), problem.text, -1));
  }
  for (std::int64_t k = 0; k < problem.count(); ++k) {
    missing.mutable_data_ptr<float>()[k * problem.classes() +
                                      problem.labels[static_cast<std::size_t>(k)]] += 1.0f;
  }
  return missing;
}

class Proker final : public Method {
 public:
  MethodInfo Info() const override {
    return {
        .name = "proker",
        .title = "ProKeR",
        .paper = "Bendou et al., CVPR 2025, arXiv 2501.11175",
        .about = "kernel ridge regression on what the text gets wrong; needs keys x keys memory",
        .tuned = "beta, lambda",
        .settings = {
            Depending(Tuned(Real("beta", 1.7, 1e-3, 1000, "sharpness of the kernel"),
                            {0.5, 1, 1.5, 2, 3, 5}),
                      "1.5 to 3 by shots", [](const FewShot& p) { return Nearest(p).beta; }),
            Depending(Tuned(Real("lambda", 0.1, 1e-4, 1000, "step size and ridge"),
                            {0.01, 0.03, 0.1, 0.3}),
                      "0.05 to 0.1 by shots", [](const FewShot& p) { return Nearest(p).lambda; })}};
  }

  Fitted Fit(const FewShot& problem, const Settings& settings, FitJob& job) const override {
    Fitted fitted;
    Agree(job.comm, [&] {
      RequireMemory(Info().name, KernelSystemBytes(problem.count(), problem.classes()),
                    fmt::format("the system of {} x {} keys", problem.count(), problem.count()));
      KernelParts parts;
      parts.text = problem.text;
      parts.scale = 1;
      parts.beta = settings.at("beta");
      parts.keys = problem.keys;
      parts.values = SolveKernelSystem(problem.keys, parts.beta, settings.at("lambda"),
                                       Missing(problem), job.compute.workers);
      fitted.classifier = std::make_unique<KernelClassifier>(std::move(parts));
    });
    return fitted;
  }
};

}  // namespace

std::unique_ptr<Method> MakeProker() { return std::make_unique<Proker>(); }

}  // namespace clipsweep
