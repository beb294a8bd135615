// CLIP's text encoder (openai/CLIP model.py): causal transformer, feature read at the end-of-text
// token.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "extract/checkpoint.h"

namespace clipsweep {

class ClipText {
 public:
  ClipText(const Checkpoint& checkpoint, const at::Device& device);

  // tokens [B, L] int64 on the CPU, each row with the end-of-text token (the largest number) in it
  // -> features [B, D], not normalised. Positions after the last end of the batch are not computed:
  // the mask is causal, so they change nothing.
  at::Tensor Encode(const at::Tensor& tokens) const;

 private:
  struct Block {
    at::Tensor ln1_weight, ln1_bias, ln2_weight, ln2_bias;
    at::Tensor in_weight, in_bias, out_weight, out_bias;
    at::Tensor fc_weight, fc_bias, proj_weight, proj_bias;
  };
  at::Tensor Apply(const Block& block, const at::Tensor& x) const;

  ModelConfig config_;
  at::Device device_;
  at::Tensor embedding_, positions_, final_weight_, final_bias_, projection_;
  std::vector<Block> blocks_;
};

}  // namespace clipsweep
