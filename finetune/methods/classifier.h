// What every method ends as: a function from features to logits. There are three forms; which
// method made one is a label in its file.
//
//   linear    logits = f W^T + b
//   kernel    logits = s f T^T + alpha sum_k v_k exp(-beta (1 - f' . key_k)) [class of k]
//             with dense values: alpha times the sum over k of A[k, c] exp(..)
//             f' = f, or its `channels` alone at unit length
//   residual  logits = s f' T^T, f' = r relu(B relu(A f)) + (1 - r) f at unit length
//
// Classes whose rows of text are equal get equal logits, bit for bit, so that the tie rule (the
// lower class is ahead) holds.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "common/files/classifier_file.h"

namespace clipsweep {

class Classifier {
 public:
  virtual ~Classifier() = default;
  // features [N, D] unit rows -> [N, C] float32.
  virtual at::Tensor Logits(const at::Tensor& features) const = 0;
  // Fills form, numbers, arrays and indices.
  virtual void Put(ClassifierData& data) const = 0;
};

// f W^T, with equal bits where rows of W are equal.
class TextProduct {
 public:
  TextProduct() = default;
  TextProduct(at::Tensor rows, double scale);  // [C, D]
  at::Tensor operator()(const at::Tensor& features) const;
  const at::Tensor& rows() const { return rows_; }
  double scale() const { return scale_; }

 private:
  at::Tensor rows_, distinct_, place_;  // [C, D]; [U, D], [C]: where some rows are equal
  double scale_ = 1;
};

class LinearClassifier final : public Classifier {
 public:
  LinearClassifier(at::Tensor weight, at::Tensor bias);  // [C, D], [C] or undefined
  at::Tensor Logits(const at::Tensor& features) const override;
  void Put(ClassifierData& data) const override;

 private:
  TextProduct weight_;
  at::Tensor bias_;
};

struct KernelParts {
  at::Tensor text;  // [C, D]
  double scale = 100, alpha = 1, beta = 0;
  at::Tensor keys;                        // [K, Q]
  std::vector<std::int32_t> class_index;  // [K]; of values that are not dense
  at::Tensor values;                      // [K] of each key's class; or [K, C]; undefined: all 1
  std::vector<std::int32_t> channels;     // [Q]; empty: all
};

class KernelClassifier final : public Classifier {
 public:
  explicit KernelClassifier(KernelParts parts);
  at::Tensor Logits(const at::Tensor& features) const override;
  void Put(ClassifierData& data) const override;

 private:
  KernelParts parts_;
  TextProduct text_;
};

class ResidualClassifier final : public Classifier {
 public:
  // down [H, D], up [D, H], text [C, D].
  ResidualClassifier(at::Tensor down, at::Tensor up, at::Tensor text, double scale, double ratio);
  at::Tensor Logits(const at::Tensor& features) const override;
  void Put(ClassifierData& data) const override;

  // f', [N, D] unit rows.
  static at::Tensor Adapted(const at::Tensor& features, const at::Tensor& down,
                            const at::Tensor& up, double ratio);

 private:
  at::Tensor down_, up_;
  TextProduct text_;
  double ratio_;
};

// The kept channels of some rows, each at unit length: [N, Q]. All for no channels.
at::Tensor KeptChannels(const at::Tensor& rows, const std::vector<std::int32_t>& channels);

// Sums of consecutive values: values [N, K], labels [K] rising -> [N, C].
at::Tensor ClassSumsOf(const at::Tensor& values, const std::vector<std::int32_t>& labels,
                       std::int64_t classes);

// The classifier of a file's data. Throws InputError naming `path` when it is not one of the forms,
// or arrays are missing or do not fit.
std::unique_ptr<Classifier> MakeClassifier(const std::filesystem::path& path,
                                           const ClassifierData& data);
// A classifier file, or an adapter file as the kernel classifier it is.
ClassifierData ReadClassifier(const std::filesystem::path& path);

struct Prediction {
  std::int64_t class_index = 0;
  double probability = 0;  // softmax over all classes
};

// For each image the `top` likeliest classes, falling; equal ones in the order of classes.
std::vector<std::vector<Prediction>> TopClasses(const at::Tensor& logits, std::int64_t top);

}  // namespace clipsweep
