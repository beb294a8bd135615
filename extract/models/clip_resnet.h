// CLIP's ModifiedResNet (openai/CLIP model.py): three-convolution stem, average pooling before
// strided convolutions, attention pooling at the end. Batch norm is folded into the convolutions at
// load time.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "extract/checkpoints/checkpoint.h"
#include "extract/models/encoder_options.h"

namespace clipsweep {

struct Convolution {
  at::Tensor weight;  // [out, in, k, k], batch norm folded in, channels-last
  at::Tensor bias;    // [out]
  int padding = 0;
  at::Tensor Apply(const at::Tensor& x) const;
};

class ClipResNet {
 public:
  ClipResNet(const Checkpoint& checkpoint, const EncoderOptions& options);

  // images [B, 3, n, n] channels-last -> features [B, D], not normalised.
  at::Tensor Encode(const at::Tensor& images) const;

 private:
  struct Bottleneck {
    Convolution conv1, conv2, conv3, shortcut;
    bool has_shortcut = false;
    int stride = 1;
    at::Tensor Apply(const at::Tensor& x) const;
  };
  struct AttentionPool {
    at::Tensor positions;  // [L + 1, C]
    at::Tensor q_weight, q_bias, k_weight, k_bias, v_weight, v_bias, c_weight, c_bias;
    int heads = 1;
    at::Tensor Apply(const at::Tensor& x) const;
  };

  Convolution stem_[3];
  std::vector<Bottleneck> blocks_;
  AttentionPool pool_;
};

}  // namespace clipsweep
