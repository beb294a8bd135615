#include "finetune/training/optimizer.h"
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

void Parameter::Step(const at::Tensor& gradient, const Optimizer& o, double lr,
                     std::int64_t first_row) {
  const auto rows = [&](const at::Tensor& all) {
    return all.narrow(0, first_row, gradient.size(0));
  };
  std::vector<at::Tensor> values{rows(value)}, first{rows(first_moment)};
  const std::vector<at::Tensor> gradients{gradient};
  if (o.kind == Optimizer::Kind::kSgd) {
    at::_fused_sgd_(values, gradients, first, o.weight_decay, o.momentum, lr, /*dampening=*/0.0,
                    /*nesterov=*/false, /*maximize=*/false, /*is_first_step=*/false);
    return;
  }
  std::vector<at::Tensor> second{rows(second_moment)};
  // The operators take the number of the step, counted from 1, as a tensor.
  const std::vector<at::Tensor> steps{at::full({}, static_cast<double>(o.step), value.options())};
  if (o.kind == Optimizer::Kind::kAdam) {
    at::_fused_adam_(values, gradients, first, second, /*max_exp_avg_sqs=*/{}, steps, lr, o.beta1,
                     o.beta2, o.weight_decay, o.eps, /*amsgrad=*/false, /*maximize=*/false);
  } else {
    at::_fused_adamw_(values, gradients, first, second, /*max_exp_avg_sqs=*/{}, steps, lr, o.beta1,
                      o.beta2, o.weight_decay, o.eps, /*amsgrad=*/false, /*maximize=*/false);
  }
}

void ScalarParameter::Step(double gradient, const Optimizer& optimizer, double lr) {
  const auto step = static_cast<double>(optimizer.step);
  first_moment += (1 - optimizer.beta1) * (gradient - first_moment);
  second_moment = optimizer.beta2 * second_moment + (1 - optimizer.beta2) * gradient * gradient;
  const double mean = first_moment / (1 - std::pow(optimizer.beta1, step));
  const double spread = std::sqrt(second_moment / (1 - std::pow(optimizer.beta2, step)));
  value -= lr * mean / (spread + optimizer.eps);
}

double CosineRate(double lr, std::int64_t step, std::int64_t steps) {
  return lr * 0.5 *
         (1.0 +
          std::cos(std::numbers::pi * static_cast<double>(step) / static_cast<double>(steps)));
}

double WarmCosineRate(double lr, std::int64_t epoch, std::int64_t epochs) {
  return epoch == 0 ? 1e-5 : CosineRate(lr, epoch - 1, epochs);
}

}  // namespace clipsweep
