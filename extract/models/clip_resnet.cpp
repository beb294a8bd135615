#include "extract/models/clip_resnet.h"
#include "common/compute/tensors.h"

#include <fmt/core.h>

namespace clipsweep {
namespace {

constexpr double kBatchNormEps = 1e-5;

// Convolution without bias followed by batch norm, as one convolution: w' = w g / sqrt(v + eps),
// b' = b - m g / sqrt(v + eps), in double precision.
Convolution Fold(const Checkpoint& checkpoint, const std::string& conv, const std::string& norm,
                 const EncoderOptions& options) {
  const auto take = [&](const std::string& name) { return checkpoint.Take(name).to(at::kDouble); };
  const auto weight = take(conv + ".weight"), gain = take(norm + ".weight");
  const auto bias = take(norm + ".bias"), mean = take(norm + ".running_mean");
  const auto variance = take(norm + ".running_var");
  const auto scale = gain / (variance + kBatchNormEps).sqrt();
  Convolution folded;
  folded.weight =
      options.Place(weight * scale.view({-1, 1, 1, 1})).contiguous(at::MemoryFormat::ChannelsLast);
  folded.bias = options.Place(bias - mean * scale);
  folded.padding = weight.size(2) == 3 ? 1 : 0;
  return folded;
}

}  // namespace

at::Tensor Convolution::Apply(const at::Tensor& x) const {
  return at::conv2d(x, weight, bias, /*stride=*/1, padding);
}

at::Tensor ClipResNet::Bottleneck::Apply(const at::Tensor& x) const {
  auto out = conv1.Apply(x).relu_();
  out = conv2.Apply(out).relu_();
  if (stride > 1) out = at::avg_pool2d(out, stride);
  out = conv3.Apply(out);
  if (has_shortcut) {
    out += shortcut.Apply(stride > 1 ? at::avg_pool2d(x, stride) : x);
  } else {
    out += x;
  }
  return out.relu_();
}

at::Tensor ClipResNet::AttentionPool::Apply(const at::Tensor& x) const {
  const std::int64_t batch = x.size(0), channels = x.size(1);
  auto tokens = x.flatten(2).transpose(1, 2);                                   // [B, L, C]
  tokens = at::cat({tokens.mean(1, /*keepdim=*/true), tokens}, 1) + positions;  // [B, L + 1, C]
  const std::int64_t length = tokens.size(1), width = channels / heads;
  const auto split = [&](const at::Tensor& t, std::int64_t l) {
    return t.view({batch, l, heads, width}).transpose(1, 2);  // [B, H, l, C / H]
  };
  // Only the mean token asks: one query a picture.
  const auto q = split(at::linear(tokens.narrow(1, 0, 1), q_weight, q_bias), 1);
  const auto k = split(at::linear(tokens, k_weight, k_bias), length);
  const auto v = split(at::linear(tokens, v_weight, v_bias), length);
  const auto pooled = at::scaled_dot_product_attention(q, k, v);  // [B, H, 1, C / H]
  return at::linear(pooled.transpose(1, 2).reshape({batch, channels}), c_weight, c_bias);
}

ClipResNet::ClipResNet(const Checkpoint& checkpoint, const EncoderOptions& options) {
  const ModelConfig& config = checkpoint.config();
  const auto fold = [&](const std::string& prefix, int number) {
    return Fold(checkpoint, fmt::format("{}conv{}", prefix, number),
                fmt::format("{}bn{}", prefix, number), options);
  };
  for (int i = 0; i < 3; ++i) stem_[i] = fold("visual.", i + 1);
  for (std::size_t stage = 0; stage < 4; ++stage) {
    for (int number = 0; number < config.vision_layers[stage]; ++number) {
      const std::string prefix = fmt::format("visual.layer{}.{}.", stage + 1, number);
      Bottleneck block;
      block.stride = stage > 0 && number == 0 ? 2 : 1;
      block.conv1 = fold(prefix, 1);
      block.conv2 = fold(prefix, 2);
      block.conv3 = fold(prefix, 3);
      block.has_shortcut = number == 0;
      if (block.has_shortcut) {
        block.shortcut =
            Fold(checkpoint, prefix + "downsample.0", prefix + "downsample.1", options);
      }
      blocks_.push_back(std::move(block));
    }
  }
  const auto take = [&](const char* name) {
    return options.Place(checkpoint.Take(std::string("visual.attnpool.") + name));
  };
  pool_.heads = config.vision_heads;
  pool_.positions = take("positional_embedding");
  pool_.q_weight = take("q_proj.weight");
  pool_.q_bias = take("q_proj.bias");
  pool_.k_weight = take("k_proj.weight");
  pool_.k_bias = take("k_proj.bias");
  pool_.v_weight = take("v_proj.weight");
  pool_.v_bias = take("v_proj.bias");
  pool_.c_weight = take("c_proj.weight");
  pool_.c_bias = take("c_proj.bias");
}

at::Tensor ClipResNet::Encode(const at::Tensor& images) const {
  // The stem's first convolution has stride 2.
  auto x = at::conv2d(images, stem_[0].weight, stem_[0].bias, /*stride=*/2, /*padding=*/1).relu_();
  x = stem_[1].Apply(x).relu_();
  x = at::avg_pool2d(stem_[2].Apply(x).relu_(), 2);
  for (const Bottleneck& block : blocks_) x = block.Apply(x);
  return pool_.Apply(x);
}

}  // namespace clipsweep
