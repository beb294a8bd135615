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
    : heads_(heads), quick_gelu_(checkpoint.NeedQuickGelu()) {
  for (int layer = 0; layer < layers; ++layer) {
    const std::string block_prefix = fmt::format("{}resblocks.{}.", prefix, layer);
    const auto take = [&](const char* name) {
      return options.Place(checkpoint.Take(block_prefix + name));
    };
    Block block;
    block.ln_1 = LayerNorm(checkpoint, block_prefix + "ln_1", options);
    block.ln_2 = LayerNorm(checkpoint, block_prefix + "ln_2", options);
    block.in_weight = take("attn.in_proj_weight");
    block.in_bias = take("attn.in_proj_bias");
    block.out_weight = take("attn.out_proj.weight");
    block.out_bias = take("attn.out_proj.bias");
    block.fc_weight = take("mlp.c_fc.weight");
    block.fc_bias = take("mlp.c_fc.bias");
    block.proj_weight = take("mlp.c_proj.weight");
    block.proj_bias = take("mlp.c_proj.bias");
    blocks_.push_back(std::move(block));
  }
}

at::Tensor Transformer::Apply(at::Tensor x, bool causal) const {
  const std::int64_t batch = x.size(0), length = x.size(1), width = x.size(2);
  const auto split = [&](const at::Tensor& t) {
    return t.reshape({batch, length, heads_, width / heads_}).transpose(1, 2);
  };
  for (const Block& block : blocks_) {
    const auto parts = at::linear(block.ln_1.Apply(x), block.in_weight, block.in_bias).chunk(3, -1);
    const auto attended = at::scaled_dot_product_attention(split(parts[0]), split(parts[1]),
                                                           split(parts[2]), {}, 0.0, causal);
    x = x + at::linear(attended.transpose(1, 2).reshape({batch, length, width}), block.out_weight,
                       block.out_bias);
    auto hidden = at::linear(block.ln_2.Apply(x), block.fc_weight, block.fc_bias);
    hidden = quick_gelu_ ? hidden * at::sigmoid(1.702 * hidden) : at::gelu(hidden);
    x = x + at::linear(hidden, block.proj_weight, block.proj_bias);
  }
  return x;
}

}  // namespace clipsweep
