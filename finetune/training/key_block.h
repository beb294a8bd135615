// Tip-Adapter-F's keys of some consecutive classes, with the gradient by hand and AdamW's state.
//
//   logits = s f W^T + alpha sum_k exp(-beta (1 - f . key_k)) [class of k]   (Tip-Adapter, eq. 6)
//
// With lead = (softmax - one-hot) / B, [B, C]:
//   d loss / d key_k = sum_b lead[b, class of k] alpha beta exp(-beta (1 - f_b . key_k)) f_b
//   d loss / d W_c   = sum_b lead[b, c] s f_b
//   d loss / d alpha = sum_b,c lead[b, c] S[b, c]            S: the sum over k without alpha
//   d loss / d beta  = sum_b,k lead[b, class of k] alpha (f_b . key_k - 1) exp(-beta (1 - ..))
//
// so a step costs two products: f . keys^T, and its transpose with f. Rows are padded to the same
// number of keys a class with weight 0, which keeps them at zero.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "finetune/training/trained_block.h"

namespace clipsweep {

// What is trained.
struct Learn {
  bool keys = true, alpha = false, beta = false, text = false;
  bool scalars() const { return alpha || beta; }
  std::string Names() const;  // "keys,alpha"
};
// From "keys,alpha,beta,text" or some of these. Throws UsageError.
Learn ParseLearn(const std::string& names);

// Alpha and beta, which all blocks share.
class KeyPoint final : public SharedPart {
 public:
  KeyPoint(double alpha, double beta, Learn learn)
      : alpha_{alpha}, beta_{beta}, learn_(learn), best_{alpha, beta} {}

  double alpha() const { return alpha_.value; }
  double beta() const { return beta_.value; }

  std::int64_t GradientSize(std::int64_t) const override { return learn_.scalars() ? 2 : 0; }
  void Step(const at::Tensor&, const std::vector<double>& gradient, const Optimizer& optimizer,
            double lr, WorkerPool& pool) override;
  NamedTensors State() override;
  void KeepBest() override { best_ = {alpha_.value, beta_.value}; }
  void TakeBest() override;

 private:
  ScalarParameter alpha_, beta_;
  Learn learn_;
  std::array<double, 2> best_;
};

class KeyBlock final : public TrainedBlock {
 public:
  // keys [c, S, D] unit rows or zero padding; weight [c, S] 1 or 0; text [c, D]; first_class:
  // number of the block's first class; point: must outlive the block.
  KeyBlock(at::Tensor keys, at::Tensor weight, at::Tensor text, std::int64_t first_class,
           const KeyPoint& point, Learn learn = {}, double logit_scale = 100,
           bool keeps_text_logits = false);

  // Keeps the samples' text logits, which training the keys does not change.
  void SetSamples(const at::Tensor& samples) override;
  at::Tensor Forward(const Batch& batch) override;
  std::vector<float> Backward(const Batch& batch, const at::Tensor& lead,
                              const Optimizer& optimizer, double lr) override;
  at::Tensor Logits(const at::Tensor& f) const override;
  NamedTensors State() override;
  void KeepBest() override { best_.Keep(Learned()); }
  void TakeBest() override { best_.TakeInto(Learned()); }

  // The gradients of the mean loss, after Forward: of the keys [c * S, D], the text [c, D], this
  // block's part of those of alpha and beta.
  at::Tensor KeyGradient(const at::Tensor& f, const at::Tensor& lead) const;
  at::Tensor TextGradient(const at::Tensor& f, const at::Tensor& lead) const;
  std::array<double, 2> ScalarGradient(const at::Tensor& lead) const;

  const at::Tensor& keys() const { return keys_.value; }  // [c * S, D]
  const at::Tensor& text() const { return text_.value; }  // [c, D]
  std::int64_t slots() const { return slots_; }

 private:
  at::Tensor TextLogits(const at::Tensor& f) const;  // s f W^T [B, c]
  at::Tensor Kernel(const at::Tensor& f) const;      // [B, c, S]
  // d loss / d (f_b . key_k): [B, c * S].
  at::Tensor PerKey(const at::Tensor& lead) const;
  NamedTensors Learned();

  std::int64_t slots_;
  const KeyPoint& point_;
  Learn learn_;
  const double logit_scale_;
  Parameter keys_, text_;
  at::Tensor weight_, kernel_, sums_;
  at::Tensor text_logits_;  // [samples, c], or undefined
  BestOf best_;
  bool padded_, keeps_text_logits_;
};

}  // namespace clipsweep
