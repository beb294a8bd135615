#include "extract/models/clip_resnet.h"
#include "common/compute/tensors.h"

#include <fmt/core.h>

namespace clipsweep {
namespace {

constexpr double kBatchNormEps = 1e-5;

// Convolution without bias followed by batch norm, as one convolution: w' = w g / sqrt(v + eps),
// b' = b - m g / sqrt(v + eps), in double precision.
Convolution Fold(const Checkpoint& checkpoint, const std::string& conv, const std::string& norm,
                 const EncoderOptions& options, std::int64_t stride = 1) {
  const auto take = [&](const std::string& name) { return checkpoint.Take(name).to(at::kDouble); };
  const auto weight = take(conv + ".weight"), gain = take(norm + ".weight");
  const auto bias = take(norm + ".bias"), mean = take(norm + ".running_mean");
  const auto variance = take(norm + ".running_var");
  const auto scale = gain / (variance + kBatchNormEps).sqrt();
  return Convolution(options.Place(weight * scale.view({-1, 1, 1, 1})),
                     options.Place(bias - mean * scale), stride,
                     /*padding=*/weight.size(2) == 3 ? 1 : 0);
}

}  // namespace

at::Tensor ClipResNet::Bottleneck::Apply(const at::Tensor& x) const {
  auto out = conv2.Apply(conv1.Apply(x, Then::kRelu), Then::kRelu);
  if (stride > 1) out = at::avg_pool2d(out, stride);
  // Nobody needs x any more.
  return conv3.ApplyAddRelu(
      out, has_shortcut ? shortcut.Apply(stride > 1 ? at::avg_pool2d(x, stride) : x) : x);
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
  const auto query = split(q.Apply(tokens.narrow(1, 0, 1)), 1);
  const auto key = split(k.Apply(tokens), length);
  const auto value = split(v.Apply(tokens), length);
  const auto pooled = at::scaled_dot_product_attention(query, key, value);  // [B, H, 1, C / H]
  return c.Apply(pooled.transpose(1, 2).reshape({batch, channels}));
}

ClipResNet::ClipResNet(const Checkpoint& checkpoint, const EncoderOptions& options) {
  const ModelConfig& config = checkpoint.config();
  const auto fold = [&](const std::string& prefix, int number, std::int64_t stride = 1) {
    return Fold(checkpoint, fmt::format("{}conv{}", prefix, number),
                fmt::format("{}bn{}", prefix, number), options, stride);
  };
  for (int i = 0; i < 3; ++i) stem_[i] = fold("visual.", i + 1, i == 0 ? 2 : 1);
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
  const auto linear = [&](const std::string& name) {
    return Linear(take((name + ".weight").c_str()), take((name + ".bias").c_str()));
  };
  pool_.q = linear("q_proj");
  pool_.k = linear("k_proj");
  pool_.v = linear("v_proj");
  pool_.c = linear("c_proj");
}

at::Tensor ClipResNet::Encode(const at::Tensor& images) const {
  auto x = stem_[0].Apply(images, Then::kRelu);
  x = stem_[1].Apply(x, Then::kRelu);
  x = at::avg_pool2d(stem_[2].Apply(x, Then::kRelu), 2);
  for (const Bottleneck& block : blocks_) x = block.Apply(x);
  return pool_.Apply(x);
}

}  // namespace clipsweep
