// GDA-CLIP (Wang et al., "A Hard-to-Beat Baseline", ICLR 2024, arXiv 2402.04087): Gaussian
// discriminant analysis with one covariance, added to the text's logits.
//
//   mu_c: mean of the class's rows; R: rows less their class's mean; n rows
//   P = D (R^T R + tau I)^-1, tau = tr(R^T R) / (n - 1)
//   logits = s f T^T + alpha (f . mu_c P - ln C - mu_c P mu_c / 2)
//
// as the official code computes it, there with ten views of an image as rows.
#include <fmt/core.h>

#include <cmath>

#include "common/compute/products.h"
#include "common/compute/tensors.h"
#include "common/compute/workers.h"
#include "common/process/liveness.h"
#include "finetune/methods/method.h"

namespace clipsweep {
namespace {

constexpr std::int64_t kTileChannels = 256;  // channels of one product

struct Discriminant {
  at::Tensor weight, bias;  // [C, D], [C] float32
  bool flat = false;        // no class has two rows that differ
};

// R^T R [D, D] in float32 tiles of a fixed size.
at::Tensor Scatter(const at::Tensor& deviations, int workers) {
  const std::int64_t width = deviations.size(1),
                     tiles = (width + kTileChannels - 1) / kTileChannels;
  const at::Tensor columns = deviations.t().contiguous();
  at::Tensor scatter = at::empty({width, width});
  const auto tile = [&](std::int64_t i) {
    return std::pair(i * kTileChannels, std::min(kTileChannels, width - i * kTileChannels));
  };
  WorkerPool(workers, WorkerPool::Signals::kIgnore).Run(tiles * tiles, [&](std::int64_t item, int) {
    const auto [row, rows] = tile(item / tiles);
    const auto [column, count] = tile(item % tiles);
    if (column > row) return;
    const at::Tensor part =
        TimesTransposed(columns.narrow(0, row, rows), columns.narrow(0, column, count));
    scatter.narrow(0, row, rows).narrow(1, column, count).copy_(part);
    scatter.narrow(0, column, count).narrow(1, row, rows).copy_(part.t());
    MadeProgress();
  });
  return scatter;
}

Discriminant MakeDiscriminant(const FewShot& problem, int workers) {
  const std::int64_t classes = problem.classes(), width = problem.width();
  at::Tensor means = at::empty({classes, width}, at::kDouble);
  at::Tensor deviations = at::empty_like(problem.keys);
  for (std::int64_t c = 0; c < classes; ++c) {
    const std::int64_t first = problem.start[static_cast<std::size_t>(c)];
    const std::int64_t count = problem.start[static_cast<std::size_t>(c) + 1] - first;
    const at::Tensor rows = problem.keys.narrow(0, first, count).to(at::kDouble);
    means[c].copy_(rows.mean(0));
    deviations.narrow(0, first, count).copy_(rows - means[c]);
  }
  at::Tensor precision_means;  // mu P
  Discriminant made;
  const at::Tensor scatter = Scatter(deviations, workers).to(at::kDouble);
  const double trace = scatter.diagonal().sum().item<double>();
  if (!(trace > 0)) {
    made.flat = true;
    made.weight = at::zeros({classes, width});
    made.bias = at::full({classes}, -std::log(static_cast<double>(classes)), at::kFloat);
    return made;
  }
  const double tau = trace / static_cast<double>(problem.count() - 1);
  WorkerPool(1, WorkerPool::Signals::kIgnore).Run(1, [&](std::int64_t, int) {  // on one thread
    at::Tensor regular = scatter.clone();
    regular.diagonal().add_(tau);
    const at::Tensor factor = std::get<0>(at::linalg_cholesky_ex(regular));
    precision_means =
        at::cholesky_solve(means.t().contiguous(), factor).t().mul(static_cast<double>(width));
  });
  made.weight = precision_means.to(at::kFloat).contiguous();
  made.bias = (precision_means * means)
                  .sum(1)
                  .mul(-0.5)
                  .sub(std::log(static_cast<double>(classes)))
                  .to(at::kFloat);
  return made;
}

class GdaResidual final : public Residual {
 public:
  GdaResidual(const FewShot& problem, Settings settings, int workers)
      : settings_(std::move(settings)),
        text_(problem.text, problem.logit_scale),
        discriminant_(MakeDiscriminant(problem, workers)) {}
  std::vector<Settings> Points() const override { return {settings_}; }
  at::Tensor Z(const at::Tensor& features) const override { return text_(features); }
  void ForEachPoint(const at::Tensor& features, const Use& use) const override {
    use(0, TimesTransposed(features, discriminant_.weight).add_(discriminant_.bias));
  }

 private:
  Settings settings_;
  TextProduct text_;
  Discriminant discriminant_;
};

class Gda final : public Method {
 public:
  MethodInfo Info() const override {
    return {.name = "gda",
            .title = "GDA",
            .paper = "Wang et al., ICLR 2024, arXiv 2402.04087",
            .about = "Gaussian discriminant analysis with one covariance; no training",
            .tuned = "alpha (exact) over seven decades",
            .settings = {Real("alpha", 0.1, 0, 1000,
                              "weight of the discriminant; grows with 1 / views")},
            .alpha = {true, 1e-4, 100}};
  }

  Fitted Fit(const FewShot& problem, const Settings& settings, FitJob& job) const override {
    const double alpha = settings.at("alpha");
    Fitted fitted;
    Agree(job.comm, [&] {
      const Discriminant made = MakeDiscriminant(problem, job.compute.workers);
      if (made.flat) {
        fitted.notes.push_back(
            "no class has two images that differ, so there is no covariance: this is zero-shot");
      }
      fitted.classifier = std::make_unique<LinearClassifier>(
          problem.text * problem.logit_scale + made.weight * alpha, made.bias * alpha);
    });
    return fitted;
  }

  std::unique_ptr<Residual> MakeResidual(const FewShot& problem, const Settings& settings,
                                         const std::vector<Setting>&,
                                         const Compute& compute) const override {
    return std::make_unique<GdaResidual>(problem, settings, compute.workers);
  }
};

}  // namespace

std::unique_ptr<Method> MakeGda() { return std::make_unique<Gda>(); }

}  // namespace clipsweep
