#include "extract/models/transformer.h"
#include "common/compute/tensors.h"

#include <fmt/core.h>

namespace clipsweep {

LayerNorm::LayerNorm(const Checkpoint& checkpoint, const std::string& prefix,
                     const EncoderOptions& options)
    : weight(options.Place(checkpoint.Take(prefix + ".weight"))),
      bias(options.Place(checkpoint.Take(prefix + ".bias"))) {}

at::Tensor LayerNorm::Apply(const at::Tensor& x) const {
  return at::layer_norm(x, {x.size(-1)}, weight, bias, /*eps=*/1e-5);
}

Transformer::Transformer(const Checkpoint& checkpoint, const std::string& prefix, int layers,
                         int heads, const EncoderOptions& options)
    : heads_(heads), activation_(checkpoint.NeedQuickGelu() ? Then::kSwish : Then::kGelu) {
  // QuickGELU, x sigmoid(1.702 x), is swish(1.702 x) / 1.702.
  const double factor = activation_ == Then::kSwish ? 1.702 : 1.0;
  for (int layer = 0; layer < layers; ++layer) {
    const std::string block_prefix = fmt::format("{}resblocks.{}.", prefix, layer);
    const auto layer_of = [&](const char* name, const char* kind, double weight_by,
                              double bias_by) {
      const auto take = [&](const char* part, double by) {
        const at::Tensor values = checkpoint.Take(block_prefix + name + kind + part);
        return options.Place(by == 1.0 ? values : values.to(at::kDouble).mul(by).to(at::kFloat));
      };
      return Linear(take("weight", weight_by), take("bias", bias_by));
    };
    Block block;
    block.ln_1 = LayerNorm(checkpoint, block_prefix + "ln_1", options);
    block.ln_2 = LayerNorm(checkpoint, block_prefix + "ln_2", options);
    block.in = layer_of("attn.in_proj", "_", 1, 1);
    block.out = layer_of("attn.out_proj", ".", 1, 1);
    block.fc = layer_of("mlp.c_fc", ".", factor, factor);
    block.proj = layer_of("mlp.c_proj", ".", 1 / factor, 1);
    blocks_.push_back(std::move(block));
  }
}

at::Tensor Transformer::Apply(at::Tensor x, bool causal) const {
  const std::int64_t batch = x.size(0), length = x.size(1), width = x.size(2);
  const auto split = [&](const at::Tensor& t) {
    return t.reshape({batch, length, heads_, width / heads_}).transpose(1, 2);
  };
  for (const Block& block : blocks_) {
    const auto parts = block.in.Apply(block.ln_1.Apply(x)).chunk(3, -1);
    const auto attended = at::scaled_dot_product_attention(split(parts[0]), split(parts[1]),
                                                           split(parts[2]), {}, 0.0, causal);
    x = block.out.ApplyAndAdd(attended.transpose(1, 2).reshape({batch, length, width}), x);
    x = block.proj.ApplyAndAdd(block.fc.Apply(block.ln_2.Apply(x), activation_), x);
  }
  return x;
}

}  // namespace clipsweep
