#include "finetune/training/key_block.h"

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
constexpr std::int64_t kTextRows = 256;  // of one product
constexpr double kLeastBeta = 1e-3;      // learning never makes the kernel flat for good

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

void KeyPoint::Step(const at::Tensor&, const std::vector<double>& gradient,
                    const Optimizer& optimizer, double lr, WorkerPool&) {
  if (learn_.alpha) alpha_.Step(gradient[0], optimizer, lr);
  if (learn_.beta) beta_.Step(gradient[1], optimizer, lr);
  alpha_.value = std::max(alpha_.value, 0.0);
  beta_.value = std::max(beta_.value, kLeastBeta);
}

void KeyPoint::TakeBest() {
  alpha_.value = best_[0];
  beta_.value = best_[1];
}

NamedTensors KeyPoint::State() {
  if (!learn_.scalars()) return {};
  const auto doubles = [](double* values, std::int64_t count) {
    return at::from_blob(values, {count}, at::kDouble);
  };
  static_assert(sizeof(ScalarParameter) == 3 * sizeof(double));
  return {{"alpha", doubles(&alpha_.value, 3)},
          {"beta", doubles(&beta_.value, 3)},
          {"best", doubles(best_.data(), 2)}};
}

KeyBlock::KeyBlock(at::Tensor keys, at::Tensor weight, at::Tensor text, std::int64_t first_class,
                   const KeyPoint& point, Learn learn, double logit_scale, bool keeps_text_logits)
    : TrainedBlock(first_class, keys.size(0)),
      slots_(keys.size(1)),
      point_(point),
      learn_(learn),
      logit_scale_(logit_scale),
      keys_(keys.reshape({keys.size(0) * keys.size(1), keys.size(2)}).clone(), learn.keys),
      text_(std::move(text), learn.text),
      weight_(std::move(weight)),
      padded_(!weight_.eq(1.0).all().item<bool>()),
      keeps_text_logits_(keeps_text_logits) {}

at::Tensor KeyBlock::Kernel(const at::Tensor& f) const {
  const double beta = point_.beta();
  at::Tensor kernel = TimesTransposed(f, keys_.value, beta, -beta).exp_();
  kernel = kernel.view({-1, classes(), slots_});
  return padded_ ? kernel.mul_(weight_) : kernel;
}

at::Tensor KeyBlock::TextLogits(const at::Tensor& f) const {
  return TimesTransposed(f, text_.value, logit_scale_);
}

void KeyBlock::SetSamples(const at::Tensor& samples) {
  if (!keeps_text_logits_) return;
  if (text_logits_.defined()) {  // another view every epoch: seen too seldom to be kept
    text_logits_.reset();
    keeps_text_logits_ = false;
    return;
  }
  std::vector<at::Tensor> parts;
  for (std::int64_t first = 0; first < samples.size(0); first += kTextRows) {
    const std::int64_t count = std::min(kTextRows, samples.size(0) - first);
    parts.push_back(TextLogits(samples.narrow(0, first, count)));
  }
  text_logits_ = at::cat(parts);
}

at::Tensor KeyBlock::Forward(const Batch& batch) {
  kernel_ = Kernel(batch.features);
  sums_ = kernel_.sum(-1);
  const at::Tensor text_logits = text_logits_.defined()
                                     ? text_logits_.index_select(0, batch.numbers)
                                     : TextLogits(batch.features);
  return at::add(text_logits, sums_, point_.alpha());
}

at::Tensor KeyBlock::Logits(const at::Tensor& f) const {
  return TextLogits(f).add_(Kernel(f).sum(-1), point_.alpha());
}

at::Tensor KeyBlock::PerKey(const at::Tensor& lead) const {
  const at::Tensor per_key = kernel_ * (lead * (point_.alpha() * point_.beta())).unsqueeze(2);
  return per_key.view({lead.size(0), classes() * slots_});
}

at::Tensor KeyBlock::KeyGradient(const at::Tensor& f, const at::Tensor& lead) const {
  return TimesTransposed(PerKey(lead).t(), f.t());
}

at::Tensor KeyBlock::TextGradient(const at::Tensor& f, const at::Tensor& lead) const {
  return TimesTransposed(lead.t(), f.t(), logit_scale_);
}

std::array<double, 2> KeyBlock::ScalarGradient(const at::Tensor& lead) const {
  // f . key - 1 = log(kernel) / beta; 0 log 0, of padding and of what fell below float32, is 0.
  const at::Tensor log_sums = at::xlogy(kernel_, kernel_).sum(-1);
  const double alpha = (lead * sums_).sum(at::kDouble).item<double>();
  const double beta = point_.beta() == 0 ? 0.0
                                         : point_.alpha() / point_.beta() *
                                               (lead * log_sums).sum(at::kDouble).item<double>();
  return {alpha, beta};
}

std::vector<float> KeyBlock::Backward(const Batch& batch, const at::Tensor& lead,
                                      const Optimizer& optimizer, double lr) {
  std::vector<float> shared;
  if (learn_.scalars()) {
    const std::array<double, 2> gradient = ScalarGradient(lead);
    shared = {static_cast<float>(gradient[0]), static_cast<float>(gradient[1])};
  }
  const at::Tensor& f = batch.features;
  if (learn_.keys) {
    // The gradient of a few keys at a time is used while it is in the cache; never all of it at
    // once.
    const at::Tensor per_key = PerKey(lead);
    const at::Tensor f_columns = f.t().contiguous();
    for (std::int64_t first = 0; first < per_key.size(1); first += kStepKeys) {
      const std::int64_t count = std::min(kStepKeys, per_key.size(1) - first);
      keys_.Step(TimesTransposed(per_key.narrow(1, first, count).t(), f_columns), optimizer, lr,
                 first);
    }
  }
  if (learn_.text) text_.Step(TextGradient(f, lead), optimizer, lr);
  return shared;
}

NamedTensors KeyBlock::Learned() {
  NamedTensors learned;
  if (learn_.keys) learned.emplace_back("keys", keys_.value);
  if (learn_.text) learned.emplace_back("text", text_.value);
  return learned;
}

NamedTensors KeyBlock::State() {
  NamedTensors state;
  if (learn_.keys) AddState(state, "keys", keys_);
  if (learn_.text) AddState(state, "text", text_);
  best_.AddTo(state);
  return state;
}

}  // namespace clipsweep
