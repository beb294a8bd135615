#include "extract/models/clip_text.h"
#include "common/compute/tensors.h"

namespace clipsweep {

ClipText::ClipText(const Checkpoint& checkpoint, const EncoderOptions& options)
    : device_(options.device),
      embedding_(options.Place(checkpoint.Take("token_embedding.weight"))),
      positions_(options.Place(checkpoint.Take("positional_embedding"))),
      projection_(options.Place(checkpoint.Take("text_projection").t())),
      transformer_(checkpoint, "transformer.", checkpoint.config().text_layers,
                   checkpoint.config().text_heads, options),
      final_(checkpoint, "ln_final", options) {}

at::Tensor ClipText::Encode(const at::Tensor& tokens) const {
  const auto ends = tokens.argmax(-1);  // [B]
  const std::int64_t length = ends.max().item<std::int64_t>() + 1;
  const auto used = tokens.narrow(1, 0, length).to(device_);
  const auto x = transformer_.Apply(
      at::embedding(embedding_, used) + positions_.narrow(0, 0, length), /*causal=*/true);
  const auto rows =
      at::arange(tokens.size(0), at::TensorOptions().dtype(at::kLong).device(device_));
  const auto last = x.index({rows, ends.to(device_)});  // [B, W]
  return at::linear(final_.Apply(last), projection_);
}

}  // namespace clipsweep
