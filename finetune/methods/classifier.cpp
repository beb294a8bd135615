#include "finetune/methods/classifier.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <string>

#include "common/compute/products.h"
#include "common/compute/tensors.h"

namespace clipsweep {
namespace {

ClassifierArray ArrayOf(const at::Tensor& tensor) {
  const at::Tensor here = tensor.cpu().contiguous();
  return {here.sizes().vec(),
          {here.const_data_ptr<float>(), here.const_data_ptr<float>() + here.numel()}};
}

}  // namespace

TextProduct::TextProduct(at::Tensor rows, double scale) : rows_(rows.contiguous()), scale_(scale) {
  const std::int64_t count = rows_.size(0), width = rows_.size(1);
  const auto bytes = static_cast<std::size_t>(width) * sizeof(float);
  std::map<std::string, std::int64_t> seen;
  std::vector<std::int64_t> place, distinct;
  for (std::int64_t c = 0; c < count; ++c) {
    std::string row(bytes, '\0');
    std::memcpy(row.data(), rows_.const_data_ptr<float>() + c * width, bytes);
    const auto [found, is_new] =
        seen.emplace(std::move(row), static_cast<std::int64_t>(distinct.size()));
    if (is_new) distinct.push_back(c);
    place.push_back(found->second);
  }
  if (static_cast<std::int64_t>(distinct.size()) == count) return;
  distinct_ = rows_.index_select(0, at::tensor(distinct, at::kLong));
  place_ = at::tensor(place, at::kLong);
}

at::Tensor TextProduct::operator()(const at::Tensor& features) const {
  if (!place_.defined()) return TimesTransposed(features, rows_, scale_);
  return TimesTransposed(features, distinct_, scale_).index_select(1, place_);
}

LinearClassifier::LinearClassifier(at::Tensor weight, at::Tensor bias)
    : weight_(std::move(weight), 1), bias_(std::move(bias)) {}

at::Tensor LinearClassifier::Logits(const at::Tensor& features) const {
  at::Tensor logits = weight_(features);
  return bias_.defined() ? logits.add_(bias_) : logits;
}

void LinearClassifier::Put(ClassifierData& data) const {
  data.form = "linear";
  data.arrays["weight"] = ArrayOf(weight_.rows());
  if (bias_.defined()) data.arrays["bias"] = ArrayOf(bias_);
}

at::Tensor KeptChannels(const at::Tensor& rows, const std::vector<std::int32_t>& channels) {
  if (channels.empty()) return rows;
  const at::Tensor kept = rows.index_select(1, at::tensor(channels, at::kInt).to(at::kLong));
  return kept / kept.norm(2, {1}, /*keepdim=*/true).clamp_min(1e-12);
}

at::Tensor ClassSumsOf(const at::Tensor& values, const std::vector<std::int32_t>& labels,
                       std::int64_t classes) {
  const at::Tensor from = values.contiguous();
  const auto keys = static_cast<std::int64_t>(labels.size());
  at::Tensor sums = at::zeros({values.size(0), classes});
  for (std::int64_t n = 0; n < values.size(0); ++n) {
    const float* value = from.const_data_ptr<float>() + n * keys;
    float* sum = sums.mutable_data_ptr<float>() + n * classes;
    for (std::int64_t k = 0; k < keys; ++k) sum[labels[static_cast<std::size_t>(k)]] += value[k];
  }
  return sums;
}

KernelClassifier::KernelClassifier(KernelParts parts)
    : parts_(std::move(parts)), text_(parts_.text, parts_.scale) {}

at::Tensor KernelClassifier::Logits(const at::Tensor& features) const {
  at::Tensor kernel = TimesTransposed(KeptChannels(features, parts_.channels), parts_.keys);
  kernel.sub_(1.0).mul_(parts_.beta).exp_();
  at::Tensor logits = text_(features);
  if (parts_.class_index.empty()) {
    return logits.add_(TimesTransposed(kernel, parts_.values.t().contiguous()), parts_.alpha);
  }
  if (parts_.values.defined()) kernel.mul_(parts_.values);
  return logits.add_(ClassSumsOf(kernel, parts_.class_index, logits.size(1)), parts_.alpha);
}

void KernelClassifier::Put(ClassifierData& data) const {
  data.form = "kernel";
  data.numbers["scale"] = parts_.scale;
  data.numbers["alpha"] = parts_.alpha;
  data.numbers["beta"] = parts_.beta;
  data.arrays["text"] = ArrayOf(parts_.text);
  data.arrays["keys"] = ArrayOf(parts_.keys);
  if (parts_.values.defined()) data.arrays["values"] = ArrayOf(parts_.values);
  if (!parts_.class_index.empty()) data.indices["class"] = parts_.class_index;
  if (!parts_.channels.empty()) data.indices["channels"] = parts_.channels;
}

ResidualClassifier::ResidualClassifier(at::Tensor down, at::Tensor up, at::Tensor text,
                                       double scale, double ratio)
    : down_(std::move(down)), up_(std::move(up)), text_(std::move(text), scale), ratio_(ratio) {}

at::Tensor ResidualClassifier::Adapted(const at::Tensor& features, const at::Tensor& down,
                                       const at::Tensor& up, double ratio) {
  const at::Tensor hidden = TimesTransposed(features, down).clamp_min_(0);
  at::Tensor mixed = TimesTransposed(hidden, up).clamp_min_(0).mul_(ratio);
  mixed.add_(features, 1 - ratio);
  return mixed.div_(mixed.norm(2, {1}, /*keepdim=*/true).clamp_min(1e-12));
}

at::Tensor ResidualClassifier::Logits(const at::Tensor& features) const {
  return text_(Adapted(features, down_, up_, ratio_));
}

void ResidualClassifier::Put(ClassifierData& data) const {
  data.form = "residual";
  data.numbers["scale"] = text_.scale();
  data.numbers["ratio"] = ratio_;
  data.arrays["down"] = ArrayOf(down_);
  data.arrays["up"] = ArrayOf(up_);
  data.arrays["text"] = ArrayOf(text_.rows());
}

std::vector<std::vector<Prediction>> TopClasses(const at::Tensor& logits, std::int64_t top) {
  const at::Tensor probability = logits.to(at::kDouble).softmax(1);
  const at::Tensor order =
      logits.argsort(/*stable=*/true, /*dim=*/1, /*descending=*/true).contiguous();
  const std::int64_t classes = logits.size(1);
  std::vector<std::vector<Prediction>> predictions;
  for (std::int64_t n = 0; n < logits.size(0); ++n) {
    auto& row = predictions.emplace_back();
    for (std::int64_t i = 0; i < std::min(top, classes); ++i) {
      const std::int64_t c = order.const_data_ptr<std::int64_t>()[n * classes + i];
      row.push_back({c, probability.const_data_ptr<double>()[n * classes + c]});
    }
  }
  return predictions;
}

}  // namespace clipsweep
