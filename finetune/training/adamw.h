// AdamW (Loshchilov and Hutter 2019) as torch.optim.AdamW defines it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace clipsweep {

struct AdamW {
  double eps = 1e-4, weight_decay = 0.01, beta1 = 0.9, beta2 = 0.999;
  std::int64_t step = 1;  // the number of the step to take, from 1
};

// A tensor and its moments; without moments when it is not learned.
struct Parameter {
  Parameter(at::Tensor initial, bool learned);
  // gradient [rows, ...] of the rows from `first_row` on.
  void Step(const at::Tensor& gradient, const AdamW& adam, double lr, std::int64_t first_row = 0);

  at::Tensor value, first_moment, second_moment;
};

// A number that is the same on every rank. No weight decay: it would pull towards 0, not towards a
// simpler model.
struct ScalarParameter {
  void Step(double gradient, const AdamW& adam, double lr);

  double value = 0, first_moment = 0, second_moment = 0;
};

// lr * (1 + cos(pi step / steps)) / 2 for step = 0 .. steps - 1: CosineAnnealingLR to 0, stepped
// each iteration.
double CosineRate(double lr, std::int64_t step, std::int64_t steps);

}  // namespace clipsweep
