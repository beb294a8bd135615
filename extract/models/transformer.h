// The residual attention blocks that CLIP's text encoder and vision transformer are made of
// (openai/CLIP model.py ResidualAttentionBlock).
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "common/compute/layers.h"
#include "extract/checkpoints/checkpoint.h"
#include "extract/models/encoder_options.h"

namespace clipsweep {

// gain and bias of a layer norm over the last axis, eps 1e-5.
struct LayerNorm {
  at::Tensor weight, bias;  // [W]
  LayerNorm() = default;
  LayerNorm(const Checkpoint& checkpoint, const std::string& prefix, const EncoderOptions& options);
  at::Tensor Apply(const at::Tensor& x) const;
};

class Transformer {
 public:
  // Takes `prefix`resblocks.0. .. resblocks.(layers - 1).
  Transformer(const Checkpoint& checkpoint, const std::string& prefix, int layers, int heads,
              const EncoderOptions& options);

  // x [B, L, W] -> [B, L, W]. `causal`: a position sees itself and those before it.
  at::Tensor Apply(at::Tensor x, bool causal) const;

 private:
  struct Block {
    LayerNorm ln_1, ln_2;
    Linear in, out;   // of the attention
    Linear fc, proj;  // of the MLP; QuickGELU's factor is in their weights
  };

  int heads_;
  Then activation_;
  std::vector<Block> blocks_;
};

}  // namespace clipsweep
