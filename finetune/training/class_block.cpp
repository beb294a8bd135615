#include "finetune/training/class_block.h"

#include <fmt/core.h>

#include <algorithm>
#include <sstream>

#include "common/compute/products.h"
#include "common/compute/tensors.h"
#include "common/process/error.h"
#include "common/process/log.h"

namespace clipsweep {
namespace {

constexpr std::int64_t kStepKeys = 512;

constexpr std::pair<const char*, bool Learn::*> kLearnable[] = {{"keys", &Learn::keys},
                                                                {"alpha", &Learn::alpha},
                                                                {"beta", &Learn::beta},
                                                                {"text", &Learn::text}};

}  // namespace

std::string Learn::Names() const {
  std::string names;
  for (const auto& [name, member] : kLearnable) {
    if (!(this->*member)) continue;
    if (!names.empty()) names += ",";
    names += name;
  }
  return names;
}

Learn ParseLearn(const std::string& names) {
  Learn learn;
  learn.keys = false;
  std::istringstream list(names);
  for (std::string word; std::getline(list, word, ',');) {
    const auto* found = std::find_if(std::begin(kLearnable), std::end(kLearnable),
                                     [&](const auto& entry) { return word == entry.first; });
    if (found == std::end(kLearnable)) {
      throw UsageError(
          fmt::format("--learn: '{}' is not one of keys,alpha,beta,text", Printable(word)));
    }
    learn.*found->second = true;
  }
  if (learn.Names().empty()) throw UsageError("--learn: names nothing; use keys,alpha,beta,text");
  return learn;
}

ClassBlock::ClassBlock(at::Tensor keys, at::Tensor weight, at::Tensor text,
                       std::int64_t first_class, double alpha, double beta, Learn learn)
    : classes_(keys.size(0)),
      slots_(keys.size(1)),
      first_class_(first_class),
      learn_(learn),
      keys_(keys.reshape({classes_ * slots_, keys.size(2)}).clone(), learn.keys),
      text_(std::move(text), learn.text),
      weight_(std::move(weight)),
      padded_(!weight_.eq(1.0).all().item<bool>()) {
  SetPoint(alpha, beta);
}

void ClassBlock::SetPoint(double alpha, double beta) {
  alpha_ = alpha;
  beta_ = beta;
}

at::Tensor ClassBlock::Kernel(const at::Tensor& f) const {
  at::Tensor kernel = TimesTransposed(f, keys_.value, beta_, -beta_).exp_();
  kernel = kernel.view({-1, classes_, slots_});
  return padded_ ? kernel.mul_(weight_) : kernel;
}

at::Tensor ClassBlock::TextLogits(const at::Tensor& f) const {
  return TimesTransposed(f, text_.value, 100.0);
}

at::Tensor ClassBlock::Forward(const at::Tensor& f, const at::Tensor& text_logits) {
  kernel_ = Kernel(f);
  sums_ = kernel_.sum(-1);
  return at::add(text_logits, sums_, alpha_);
}

at::Tensor ClassBlock::Logits(const at::Tensor& f) const {
  return TextLogits(f).add_(Kernel(f).sum(-1), alpha_);
}

at::Tensor ClassBlock::Lead(const at::Tensor& logits, const at::Tensor& log_sum,
                            const at::Tensor& labels) const {
  at::Tensor lead = at::exp(logits - log_sum.unsqueeze(1));  // softmax of this block's classes
  const auto own = at::arange(first_class_, first_class_ + classes_, labels.options());
  lead -= labels.unsqueeze(1).eq(own).to(lead.scalar_type());
  return lead.div_(static_cast<double>(logits.size(0)));
}

at::Tensor ClassBlock::PerKey(const at::Tensor& lead) const {
  const at::Tensor per_key = kernel_ * (lead * (alpha_ * beta_)).unsqueeze(2);
  return per_key.view({lead.size(0), classes_ * slots_});
}

at::Tensor ClassBlock::KeyGradient(const at::Tensor& f, const at::Tensor& lead) const {
  return TimesTransposed(PerKey(lead).t(), f.t());
}

at::Tensor ClassBlock::TextGradient(const at::Tensor& f, const at::Tensor& lead) const {
  return TimesTransposed(lead.t(), f.t(), 100.0);
}

std::array<double, 2> ClassBlock::ScalarGradient(const at::Tensor& lead) const {
  // f . key - 1 = log(kernel) / beta; 0 log 0, of padding and of what fell below float32, is 0.
  const at::Tensor log_sums = at::xlogy(kernel_, kernel_).sum(-1);
  const double alpha = (lead * sums_).sum(at::kDouble).item<double>();
  const double beta =
      beta_ == 0 ? 0.0 : alpha_ / beta_ * (lead * log_sums).sum(at::kDouble).item<double>();
  return {alpha, beta};
}

std::array<double, 2> ClassBlock::Backward(const at::Tensor& f, const at::Tensor& lead,
                                           const AdamW& adam, double lr) {
  std::array<double, 2> scalars{};
  if (learn_.scalars()) scalars = ScalarGradient(lead);
  if (learn_.keys) {
    // The gradient of a few keys at a time is used while it is in the cache; never all of it at
    // once.
    const at::Tensor per_key = PerKey(lead);
    const at::Tensor f_columns = f.t().contiguous();
    for (std::int64_t first = 0; first < per_key.size(1); first += kStepKeys) {
      const std::int64_t count = std::min(kStepKeys, per_key.size(1) - first);
      keys_.Step(TimesTransposed(per_key.narrow(1, first, count).t(), f_columns), adam, lr, first);
    }
  }
  if (learn_.text) text_.Step(TextGradient(f, lead), adam, lr);
  return scalars;
}

void ClassBlock::KeepBest() {
  best_keys_ = keys_.value.clone();
  best_text_ = text_.value.clone();
}

void ClassBlock::TakeBest() {
  keys_.value.copy_(best_keys_);
  text_.value.copy_(best_text_);
}

std::vector<std::pair<std::string, at::Tensor>> ClassBlock::State() {
  std::vector<std::pair<std::string, at::Tensor>> state;
  const auto add = [&](const std::string& name, bool learned, const Parameter& parameter,
                       const at::Tensor& best) {
    if (!learned) return;
    state.insert(state.end(), {{name, parameter.value},
                               {name + "_first_moment", parameter.first_moment},
                               {name + "_second_moment", parameter.second_moment}});
    if (best.defined()) state.emplace_back("best_" + name, best);
  };
  add("keys", learn_.keys, keys_, best_keys_);
  add("text", learn_.text, text_, best_text_);
  return state;
}

}  // namespace clipsweep
