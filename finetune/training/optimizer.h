// Optimisers as torch.optim defines them, on tensors whose gradient is made by hand.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace clipsweep {

struct Optimizer {
  enum class Kind {
    kAdamW,  // Loshchilov and Hutter 2019: weight decay apart from the gradient
    kAdam,   // weight decay added to the gradient (L2)
    kSgd,    // with momentum; weight decay added to the gradient
  };
  double eps = 1e-4, weight_decay = 0.01, beta1 = 0.9, beta2 = 0.999;
  std::int64_t step = 1;  // the number of the step to take, from 1
  Kind kind = Kind::kAdamW;
  double momentum = 0.9;
};

// A tensor and its moments; without moments when it is not learned. Of SGD the first moment is the
// momentum buffer.
struct Parameter {
  Parameter(at::Tensor initial, bool learned);
  // gradient [rows, ...] of the rows from `first_row` on.
  void Step(const at::Tensor& gradient, const Optimizer& optimizer, double lr,
            std::int64_t first_row = 0);

  at::Tensor value, first_moment, second_moment;
};

// A number that is the same on every rank, learned by AdamW. No weight decay: it would pull towards
// 0, not towards a simpler model.
struct ScalarParameter {
  void Step(double gradient, const Optimizer& optimizer, double lr);

  double value = 0, first_moment = 0, second_moment = 0;
};

// lr * (1 + cos(pi step / steps)) / 2 for step = 0 .. steps - 1: CosineAnnealingLR to 0, stepped
// each iteration.
double CosineRate(double lr, std::int64_t step, std::int64_t steps);

// The same over epochs as Dassl's trainers have it: epoch 0 at 1e-5, epoch e at
// lr (1 + cos(pi (e - 1) / epochs)) / 2.
double WarmCosineRate(double lr, std::int64_t epoch, std::int64_t epochs);

}  // namespace clipsweep
