#include "extract/clip_text.h"

#include <ATen/ATen.h>
#include <fmt/core.h>

namespace clipsweep {

ClipText::ClipText(const Checkpoint& checkpoint, const at::Device& device)
    : config_(checkpoint.config()), device_(device) {
  const std::int64_t w = config_.text_width;
  const auto take = [&](const std::string& name, const std::vector<std::int64_t>& shape) {
    return checkpoint.Take(name, shape).to(device);
  };
  embedding_ = take("token_embedding.weight", {config_.vocab_size, w});
  positions_ = take("positional_embedding", {config_.context_length, w});
  final_weight_ = take("ln_final.weight", {w});
  final_bias_ = take("ln_final.bias", {w});
  projection_ = take("text_projection", {w, config_.embed_dim});
  for (int i = 0; i < config_.text_layers; ++i) {
    const std::string prefix = fmt::format("transformer.resblocks.{}.", i);
    Block block;
    block.ln1_weight = take(prefix + "ln_1.weight", {w});
    block.ln1_bias = take(prefix + "ln_1.bias", {w});
    block.ln2_weight = take(prefix + "ln_2.weight", {w});
    block.ln2_bias = take(prefix + "ln_2.bias", {w});
    block.in_weight = take(prefix + "attn.in_proj_weight", {3 * w, w});
    block.in_bias = take(prefix + "attn.in_proj_bias", {3 * w});
    block.out_weight = take(prefix + "attn.out_proj.weight", {w, w});
    block.out_bias = take(prefix + "attn.out_proj.bias", {w});
    block.fc_weight = take(prefix + "mlp.c_fc.weight", {4 * w, w});
    block.fc_bias = take(prefix + "mlp.c_fc.bias", {4 * w});
    block.proj_weight = take(prefix + "mlp.c_proj.weight", {w, 4 * w});
    block.proj_bias = take(prefix + "mlp.c_proj.bias", {w});
    blocks_.push_back(std::move(block));
  }
}

at::Tensor ClipText::Apply(const Block& block, const at::Tensor& x) const {
  const std::int64_t batch = x.size(0), length = x.size(1), w = config_.text_width;
  const std::int64_t heads = config_.text_heads;
  auto h = at::layer_norm(x, {w}, block.ln1_weight, block.ln1_bias);
  const auto parts = at::linear(h, block.in_weight, block.in_bias).chunk(3, -1);
  const auto split = [&](const at::Tensor& t) {
    return t.reshape({batch, length, heads, w / heads}).transpose(1, 2);
  };
  const auto attended = at::scaled_dot_product_attention(
      split(parts[0]), split(parts[1]), split(parts[2]), {}, 0.0, /*is_causal=*/true);
  auto out = x + at::linear(attended.transpose(1, 2).reshape({batch, length, w}), block.out_weight,
                            block.out_bias);
  h = at::linear(at::layer_norm(out, {w}, block.ln2_weight, block.ln2_bias), block.fc_weight,
                 block.fc_bias);
  h = config_.quick_gelu ? h * at::sigmoid(1.702 * h) : at::gelu(h);
  return out + at::linear(h, block.proj_weight, block.proj_bias);
}

at::Tensor ClipText::Encode(const at::Tensor& tokens) const {
  const auto ends = tokens.argmax(-1);  // [B]
  const std::int64_t length = ends.max().item<std::int64_t>() + 1;
  const auto used = tokens.narrow(1, 0, length).to(device_);
  auto x = at::embedding(embedding_, used) + positions_.narrow(0, 0, length);
  for (const Block& block : blocks_) x = Apply(block, x);
  const auto rows =
      at::arange(tokens.size(0), at::TensorOptions().dtype(at::kLong).device(device_));
  const auto last = x.index({rows, ends.to(device_)});  // [B, W]
  return at::linear(at::layer_norm(last, {config_.text_width}, final_weight_, final_bias_),
                    projection_.t());
}

}  // namespace clipsweep
