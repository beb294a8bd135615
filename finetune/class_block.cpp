#include "finetune/class_block.h"

#include <ATen/ATen.h>

namespace clipsweep {

ClassBlock::ClassBlock(at::Tensor keys, at::Tensor weight, at::Tensor text,
                       std::int64_t first_class, double alpha, double beta)
    : classes_(keys.size(0)),
      slots_(keys.size(1)),
      first_class_(first_class),
      alpha_(alpha),
      beta_(beta),
      keys_(keys.reshape({classes_ * slots_, keys.size(2)}).clone()),
      weight_(std::move(weight)),
      text_(std::move(text)),
      first_moment_(at::zeros_like(keys_)),
      second_moment_(at::zeros_like(keys_)),
      step_(at::zeros({}, keys_.options())) {}

at::Tensor ClassBlock::Kernel(const at::Tensor& f) const {
  return at::mm(f, keys_.t())
      .sub_(1.0)
      .mul_(beta_)
      .exp_()
      .view({-1, classes_, slots_})
      .mul_(weight_);
}

at::Tensor ClassBlock::LogitsFrom(const at::Tensor& f, const at::Tensor& kernel) const {
  return at::mm(f, text_.t()).mul_(100.0).add_(kernel.sum(-1), alpha_);
}

at::Tensor ClassBlock::Forward(const at::Tensor& f) {
  kernel_ = Kernel(f);
  return LogitsFrom(f, kernel_);
}

at::Tensor ClassBlock::Logits(const at::Tensor& f) const { return LogitsFrom(f, Kernel(f)); }

at::Tensor ClassBlock::Gradient(const at::Tensor& f, const at::Tensor& logits,
                                const at::Tensor& log_sum, const at::Tensor& labels) const {
  auto lead = at::exp(logits - log_sum.unsqueeze(1));  // softmax of this block's classes
  const auto own = at::arange(first_class_, first_class_ + classes_, labels.options());
  lead -= labels.unsqueeze(1).eq(own).to(lead.scalar_type());  // p - y
  lead *= alpha_ * beta_ / static_cast<double>(f.size(0));
  const auto per_key = (kernel_ * lead.unsqueeze(2)).view({f.size(0), classes_ * slots_});
  return at::mm(per_key.t(), f);
}

void ClassBlock::Backward(const at::Tensor& f, const at::Tensor& logits, const at::Tensor& log_sum,
                          const at::Tensor& labels, const AdamW& adam, double lr) {
  std::vector<at::Tensor> keys{keys_}, first{first_moment_}, second{second_moment_}, steps{step_};
  const std::vector<at::Tensor> gradients{Gradient(f, logits, log_sum, labels)};
  step_.add_(1.0);
  at::_fused_adamw_(keys, gradients, first, second, /*max_exp_avg_sqs=*/{}, steps, lr, adam.beta1,
                    adam.beta2, adam.weight_decay, adam.eps, /*amsgrad=*/false, /*maximize=*/false);
}

}  // namespace clipsweep
