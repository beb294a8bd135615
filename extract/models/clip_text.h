// CLIP's text encoder (openai/CLIP model.py): causal transformer, feature read at the end-of-text
// token.
#pragma once

#include "extract/models/transformer.h"

namespace clipsweep {

class ClipText {
 public:
  ClipText(const Checkpoint& checkpoint, const EncoderOptions& options);

  // tokens [B, L] int64 on the CPU, each row with the end-of-text token (the largest number) in it
  // -> features [B, D], not normalised. Positions after the last end of the batch are not computed:
  // the mask is causal, so they change nothing.
  at::Tensor Encode(const at::Tensor& tokens) const;

 private:
  at::Device device_;
  at::Tensor embedding_, positions_, projection_;  // [V, W], [L, W], [D, W]
  Transformer transformer_;
  LayerNorm final_;
};

}  // namespace clipsweep
