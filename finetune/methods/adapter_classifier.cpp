#include "finetune/methods/adapter_classifier.h"

#include <algorithm>

#include "common/compute/products.h"
#include "common/compute/tensors.h"
#include "sweep/math/key_columns.h"

namespace clipsweep {
namespace {

at::Tensor Rows(const std::vector<float>& values, std::int64_t width) {
  return at::from_blob(const_cast<float*>(values.data()),
                       {static_cast<std::int64_t>(values.size()) / width, width}, at::kFloat)
      .clone();
}

}  // namespace

AdapterClassifier::AdapterClassifier(const AdapterData& adapter)
    : alpha_(adapter.alpha),
      beta_(adapter.beta),
      keys_(Rows(adapter.keys, adapter.width)),
      labels_(at::tensor(adapter.class_index, at::kInt).to(at::kLong)),
      text_(Rows(adapter.text, adapter.width)) {}

std::vector<std::vector<Prediction>> AdapterClassifier::Classify(const at::Tensor& features,
                                                                 std::int64_t top) const {
  const at::Tensor kernel = TimesTransposed(features, keys_).sub_(1.0).mul_(beta_).exp_();
  at::Tensor sums = at::zeros({features.size(0), text_.size(0)});
  sums.index_add_(1, labels_, kernel);
  const at::Tensor logits = TimesTransposed(features, text_, kLogitScale).add_(sums, alpha_);
  const at::Tensor probability = logits.to(at::kDouble).softmax(1);
  const at::Tensor order =
      logits.argsort(/*stable=*/true, /*dim=*/1, /*descending=*/true).contiguous();
  const std::int64_t classes = text_.size(0);
  std::vector<std::vector<Prediction>> predictions;
  for (std::int64_t n = 0; n < features.size(0); ++n) {
    auto& row = predictions.emplace_back();
    for (std::int64_t i = 0; i < std::min(top, classes); ++i) {
      const std::int64_t c = order.const_data_ptr<std::int64_t>()[n * classes + i];
      row.push_back({c, probability.const_data_ptr<double>()[n * classes + c]});
    }
  }
  return predictions;
}

}  // namespace clipsweep
