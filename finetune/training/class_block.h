// What is learned of some consecutive classes, with the gradient by hand and AdamW's state.
//
//   logits = 100 f W^T + alpha sum_k exp(-beta (1 - f . key_k)) [class of k]   (Tip-Adapter, eq. 6)
//
// With lead = (softmax - one-hot) / B, [B, C]:
//   d loss / d key_k = sum_b lead[b, class of k] alpha beta exp(-beta (1 - f_b . key_k)) f_b
//   d loss / d W_c   = sum_b lead[b, c] 100 f_b
//   d loss / d alpha = sum_b,c lead[b, c] S[b, c]            S: the sum over k without alpha
//   d loss / d beta  = sum_b,k lead[b, class of k] alpha (f_b . key_k - 1) exp(-beta (1 - ..))
//
// so a step costs two products: f . keys^T, and its transpose with f. Rows are padded to the same
// number of keys a class with weight 0, which keeps them at zero.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "finetune/training/adamw.h"

namespace clipsweep {

// What is trained.
struct Learn {
  bool keys = true, alpha = false, beta = false, text = false;
  bool scalars() const { return alpha || beta; }
  std::string Names() const;  // "keys,alpha"
};
// From "keys,alpha,beta,text" or some of these. Throws UsageError.
Learn ParseLearn(const std::string& names);

class ClassBlock {
 public:
  // keys [c, S, D] unit rows or zero padding; weight [c, S] 1 or 0; text [c, D]; first_class:
  // number of the block's first class.
  ClassBlock(at::Tensor keys, at::Tensor weight, at::Tensor text, std::int64_t first_class,
             double alpha, double beta, Learn learn = {});

  // 100 f W^T [B, c].
  at::Tensor TextLogits(const at::Tensor& f) const;
  // f [B, D] and TextLogits(f) -> logits [B, c] of this block's classes; what Backward needs is
  // kept.
  at::Tensor Forward(const at::Tensor& f, const at::Tensor& text_logits);
  at::Tensor Forward(const at::Tensor& f) { return Forward(f, TextLogits(f)); }
  // The same without keeping anything.
  at::Tensor Logits(const at::Tensor& f) const;

  // log_sum [B]: log of the sum of exp of all blocks' logits; labels [B] over all classes -> lead
  // [B, c], see above.
  at::Tensor Lead(const at::Tensor& logits, const at::Tensor& log_sum,
                  const at::Tensor& labels) const;
  // The gradients of the mean loss, after Forward(f): of the keys [c * S, D], the text [c, D],
  // this block's part of those of alpha and beta.
  at::Tensor KeyGradient(const at::Tensor& f, const at::Tensor& lead) const;
  at::Tensor TextGradient(const at::Tensor& f, const at::Tensor& lead) const;
  std::array<double, 2> ScalarGradient(const at::Tensor& lead) const;

  // One AdamW step at rate lr on what this block learns. Returns ScalarGradient, zeros when neither
  // alpha nor beta is learned.
  std::array<double, 2> Backward(const at::Tensor& f, const at::Tensor& lead, const AdamW& adam,
                                 double lr);
  void SetPoint(double alpha, double beta);

  // Keeps the present keys and text as the best, or takes the best back.
  void KeepBest();
  void TakeBest();

  // What training must know to go on, by name; tensors share memory with the block.
  std::vector<std::pair<std::string, at::Tensor>> State();

  const at::Tensor& keys() const { return keys_.value; }  // [c * S, D]
  const at::Tensor& text() const { return text_.value; }  // [c, D]
  std::int64_t first_class() const { return first_class_; }
  std::int64_t classes() const { return classes_; }
  std::int64_t slots() const { return slots_; }

 private:
  at::Tensor Kernel(const at::Tensor& f) const;  // [B, c, S]
  // d loss / d (f_b . key_k): [B, c * S].
  at::Tensor PerKey(const at::Tensor& lead) const;

  std::int64_t classes_, slots_, first_class_;
  double alpha_ = 0, beta_ = 0;
  Learn learn_;
  Parameter keys_, text_;
  at::Tensor weight_, kernel_, sums_;
  at::Tensor best_keys_, best_text_;  // undefined until KeepBest
  bool padded_;
};

}  // namespace clipsweep
