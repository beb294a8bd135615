#include "finetune/training/trained_block.h"

#include "common/compute/tensors.h"

namespace clipsweep {

at::Tensor LeadOf(const at::Tensor& logits, std::int64_t first_class, const at::Tensor& log_sum,
                  const at::Tensor& labels) {
  at::Tensor lead = at::exp(logits - log_sum.unsqueeze(1));  // softmax of this block's classes
  const auto own = at::arange(first_class, first_class + logits.size(1), labels.options());
  lead -= labels.unsqueeze(1).eq(own).to(lead.scalar_type());
  return lead.div_(static_cast<double>(logits.size(0)));
}

void BestOf::Keep(const NamedTensors& values) {
  best_.clear();
  for (const auto& [name, tensor] : values) best_.emplace_back(name, tensor.clone());
}

void BestOf::TakeInto(const NamedTensors& values) const {
  for (std::size_t i = 0; i < best_.size(); ++i) values[i].second.copy_(best_[i].second);
}

void BestOf::AddTo(NamedTensors& state) const {
  for (const auto& [name, tensor] : best_) state.emplace_back("best_" + name, tensor);
}

void AddState(NamedTensors& state, const std::string& name, const Parameter& parameter) {
  state.insert(state.end(), {{name, parameter.value},
                             {name + "_first_moment", parameter.first_moment},
                             {name + "_second_moment", parameter.second_moment}});
}

}  // namespace clipsweep
