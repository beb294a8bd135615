// CLIP's ModifiedResNet (openai/CLIP model.py): three-convolution stem, average pooling before
// strided convolutions, attention pooling at the end. Batch norm is folded into the convolutions at
// load time.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "common/compute/layers.h"
#include "extract/checkpoints/checkpoint.h"
#include "extract/models/encoder_options.h"

namespace clipsweep {

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
    Linear q, k, v, c;
    int heads = 1;
    at::Tensor Apply(const at::Tensor& x) const;
  };

  Convolution stem_[3];
  std::vector<Bottleneck> blocks_;
  AttentionPool pool_;
};

}  // namespace clipsweep
