// The learnable keys of some consecutive classes, with their gradient by hand and their AdamW
// state.
//
//   logits = 100 f W^T + alpha sum_k exp(-beta (1 - f . key_k)) [class of k]        (Tip-Adapter,
//   eq. 6) d loss / d key_k = sum_b (p_b - y_b)[class of k] / B * alpha beta exp(-beta (1 - f_b .
//   key_k)) f_b
//
// so a step costs two products: f . keys^T, and its transpose with f. Rows are padded to the same
// number of keys a class with weight 0, which keeps them at zero.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace clipsweep {

struct AdamW {
  double lr = 1e-3, eps = 1e-4, weight_decay = 0.01, beta1 = 0.9, beta2 = 0.999;
};

class ClassBlock {
 public:
  // keys [c, S, D] unit rows or zero padding; weight [c, S] 1 or 0; text [c, D]; first_class:
  // number of the block's first class.
  ClassBlock(at::Tensor keys, at::Tensor weight, at::Tensor text, std::int64_t first_class,
             double alpha, double beta);

  // f [B, D] -> logits [B, c] of this block's classes; kernel values are kept for Backward.
  at::Tensor Forward(const at::Tensor& f);
  // The same without keeping anything.
  at::Tensor Logits(const at::Tensor& f) const;
  // log_sum [B]: log of the sum of exp of all blocks' logits. labels [B] over all classes. One
  // AdamW step at rate lr on the gradient of the mean loss over `f`'s B rows.
  void Backward(const at::Tensor& f, const at::Tensor& logits, const at::Tensor& log_sum,
                const at::Tensor& labels, const AdamW& adam, double lr);
  // The gradient that Backward would use, [c * S, D]; for tests.
  at::Tensor Gradient(const at::Tensor& f, const at::Tensor& logits, const at::Tensor& log_sum,
                      const at::Tensor& labels) const;

  const at::Tensor& keys() const { return keys_; }  // [c * S, D]
  std::int64_t first_class() const { return first_class_; }
  std::int64_t classes() const { return classes_; }
  std::int64_t slots() const { return slots_; }

 private:
  at::Tensor Kernel(const at::Tensor& f) const;  // [B, c, S]
  at::Tensor LogitsFrom(const at::Tensor& f, const at::Tensor& kernel) const;

  std::int64_t classes_, slots_, first_class_;
  double alpha_, beta_;
  at::Tensor keys_, weight_, text_, kernel_;
  at::Tensor first_moment_, second_moment_, step_;
};

}  // namespace clipsweep
