// Linear layers and convolutions with their weights made ready once. On a CPU they are oneDNN's,
// with what follows them (activation, sum with the shortcut) in the same pass; elsewhere, and in
// float16, LibTorch's own. Results are the same bits for the same shapes, whatever the number of
// threads that call.
#pragma once

#include <ATen/core/Tensor.h>

namespace clipsweep {

// What follows a layer. kSwish: x sigmoid(x).
enum class Then { kNothing, kRelu, kGelu, kSwish };

// y = x W^T + b over the last axis.
class Linear {
 public:
  Linear() = default;
  // weight [out, in], bias [out], on their device and in their type.
  Linear(const at::Tensor& weight, const at::Tensor& bias);

  at::Tensor Apply(const at::Tensor& x, Then then = Then::kNothing) const;
  // y + other, of y's shape.
  at::Tensor ApplyAndAdd(const at::Tensor& x, const at::Tensor& other) const;

 private:
  at::Tensor weight_, bias_;
  bool packed_ = false;
};

// Of pictures [B, C, h, w], channels-last.
class Convolution {
 public:
  Convolution() = default;
  // weight [out, in, k, k]; bias [out] or undefined.
  Convolution(const at::Tensor& weight, const at::Tensor& bias, std::int64_t stride,
              std::int64_t padding);

  at::Tensor Apply(const at::Tensor& x, Then then = Then::kNothing) const;
  // relu(y + other); may overwrite `other`.
  at::Tensor ApplyAddRelu(const at::Tensor& x, at::Tensor other) const;

 private:
  at::Tensor weight_, bias_;
  std::int64_t stride_ = 1, padding_ = 0;
  bool packed_ = false;
};

}  // namespace clipsweep
