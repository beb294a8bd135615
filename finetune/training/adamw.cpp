#include "finetune/training/adamw.h"
#include "common/compute/tensors.h"

#include <cmath>
#include <numbers>
#include <vector>

namespace clipsweep {

Parameter::Parameter(at::Tensor initial, bool learned) : value(std::move(initial)) {
  if (!learned) return;
  first_moment = at::zeros_like(value);
  second_moment = at::zeros_like(value);
}

void Parameter::Step(const at::Tensor& gradient, const AdamW& adam, double lr,
                     std::int64_t first_row) {
  const auto rows = [&](const at::Tensor& all) {
    return all.narrow(0, first_row, gradient.size(0));
  };
  std::vector<at::Tensor> values{rows(value)}, first{rows(first_moment)},
      second{rows(second_moment)};
  // The operator takes the number of the step, counted from 1, as a tensor.
  const std::vector<at::Tensor> gradients{gradient},
      steps{at::full({}, static_cast<double>(adam.step), value.options())};
  at::_fused_adamw_(values, gradients, first, second, /*max_exp_avg_sqs=*/{}, steps, lr, adam.beta1,
                    adam.beta2, adam.weight_decay, adam.eps, /*amsgrad=*/false,
                    /*maximize=*/false);
}

void ScalarParameter::Step(double gradient, const AdamW& adam, double lr) {
  const auto step = static_cast<double>(adam.step);
  first_moment += (1 - adam.beta1) * (gradient - first_moment);
  second_moment = adam.beta2 * second_moment + (1 - adam.beta2) * gradient * gradient;
  const double mean = first_moment / (1 - std::pow(adam.beta1, step));
  const double spread = std::sqrt(second_moment / (1 - std::pow(adam.beta2, step)));
  value -= lr * mean / (spread + adam.eps);
}

double CosineRate(double lr, std::int64_t step, std::int64_t steps) {
  return lr * 0.5 *
         (1.0 +
          std::cos(std::numbers::pi * static_cast<double>(step) / static_cast<double>(steps)));
}

}  // namespace clipsweep
