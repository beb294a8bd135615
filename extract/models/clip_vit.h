// CLIP's vision transformer (openai/CLIP model.py VisionTransformer): patches, a class token whose
// last state is the feature.
#pragma once

#include "extract/models/transformer.h"

namespace clipsweep {

class ClipViT {
 public:
  ClipViT(const Checkpoint& checkpoint, const EncoderOptions& options);

  // images [B, 3, n, n] -> features [B, D], not normalised.
  at::Tensor Encode(const at::Tensor& images) const;

 private:
  Convolution patches_;                        // [W, 3, p, p]
  at::Tensor class_, positions_, projection_;  // [1, 1, W], [P + 1, W], [D, W]
  LayerNorm pre_, post_;
  Transformer transformer_;
};

}  // namespace clipsweep
