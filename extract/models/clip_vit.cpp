#include "extract/models/clip_vit.h"
#include "common/compute/tensors.h"

namespace clipsweep {

ClipViT::ClipViT(const Checkpoint& checkpoint, const EncoderOptions& options)
    : patches_(options.Place(checkpoint.Take("visual.conv1.weight")), at::Tensor(),
               checkpoint.config().patch_size, /*padding=*/0),
      class_(options.Place(checkpoint.Take("visual.class_embedding").view({1, 1, -1}))),
      positions_(options.Place(checkpoint.Take("visual.positional_embedding"))),
      projection_(options.Place(checkpoint.Take("visual.proj").t())),
      pre_(checkpoint, "visual.ln_pre", options),
      post_(checkpoint, "visual.ln_post", options),
      transformer_(checkpoint, "visual.transformer.", checkpoint.config().vision_layers[0],
                   checkpoint.config().vision_heads, options) {}

at::Tensor ClipViT::Encode(const at::Tensor& images) const {
  const auto patches = patches_
                           .Apply(images)  // [B, W, g, g]
                           .flatten(2)
                           .transpose(1, 2);  // [B, P, W]
  const auto tokens = at::cat({class_.expand({images.size(0), 1, -1}), patches}, 1) + positions_;
  const auto x = transformer_.Apply(pre_.Apply(tokens), /*causal=*/false);
  return at::linear(post_.Apply(x.select(1, 0)), projection_);
}

}  // namespace clipsweep
