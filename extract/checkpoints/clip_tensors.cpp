#include "extract/checkpoints/clip_tensors.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

namespace clipsweep {
namespace {

using Table = std::map<std::string, TensorSpec>;

void AddAffine(Table& table, const std::string& prefix, std::int64_t width) {
  table[prefix + ".weight"] = {{width}};
  table[prefix + ".bias"] = {{width}};
}

void AddLinear(Table& table, const std::string& prefix, std::int64_t out, std::int64_t in) {
  table[prefix + ".weight"] = {{out, in}};
  table[prefix + ".bias"] = {{out}};
}

// A convolution without bias and the batch norm after it.
void AddConvolution(Table& table, const std::string& conv, const std::string& norm,
                    std::int64_t out, std::int64_t in, std::int64_t k) {
  table[conv + ".weight"] = {{out, in, k, k}};
  AddAffine(table, norm, out);
  table[norm + ".running_mean"] = {{out}, false};
  table[norm + ".running_var"] = {{out}, false};
}

void AddTransformer(Table& table, const std::string& prefix, int layers, std::int64_t width,
                    std::int64_t mlp) {
  for (int layer = 0; layer < layers; ++layer) {
    const std::string block = fmt::format("{}resblocks.{}.", prefix, layer);
    AddAffine(table, block + "ln_1", width);
    table[block + "attn.in_proj_weight"] = {{3 * width, width}};
    table[block + "attn.in_proj_bias"] = {{3 * width}};
    AddLinear(table, block + "attn.out_proj", width, width);
    AddAffine(table, block + "ln_2", width);
    AddLinear(table, block + "mlp.c_fc", mlp, width);
    AddLinear(table, block + "mlp.c_proj", width, mlp);
  }
}

void AddText(Table& table, const ModelConfig& config) {
  const std::int64_t width = config.text_width;
  table["token_embedding.weight"] = {{config.vocab_size, width}};
  table["positional_embedding"] = {{config.context_length, width}};
  AddTransformer(table, "transformer.", config.text_layers, width, config.text_mlp);
  AddAffine(table, "ln_final", width);
  table["text_projection"] = {{width, config.embed_dim}};
}

void AddResNet(Table& table, const ModelConfig& config) {
  const std::int64_t width = config.vision_width;
  const auto add = [&](const std::string& prefix, int number, std::int64_t out, std::int64_t in,
                       std::int64_t k) {
    AddConvolution(table, fmt::format("{}conv{}", prefix, number),
                   fmt::format("{}bn{}", prefix, number), out, in, k);
  };
  add("visual.", 1, width / 2, 3, 3);
  add("visual.", 2, width / 2, width / 2, 3);
  add("visual.", 3, width, width / 2, 3);
  std::int64_t in = width;
  for (std::size_t stage = 0; stage < 4; ++stage) {
    const std::int64_t planes = width << stage;
    for (int number = 0; number < config.vision_layers[stage]; ++number) {
      const std::string block = fmt::format("visual.layer{}.{}.", stage + 1, number);
      add(block, 1, planes, in, 1);
      add(block, 2, planes, planes, 3);
      add(block, 3, planes * 4, planes, 1);
      if (number == 0) {  // strided, or the first that widens
        AddConvolution(table, block + "downsample.0", block + "downsample.1", planes * 4, in, 1);
      }
      in = planes * 4;
    }
  }
  const std::int64_t grid = config.image_size / 32;
  table["visual.attnpool.positional_embedding"] = {{grid * grid + 1, in}};
  for (const char* part : {"q_proj", "k_proj", "v_proj"}) {
    AddLinear(table, fmt::format("visual.attnpool.{}", part), in, in);
  }
  AddLinear(table, "visual.attnpool.c_proj", config.embed_dim, in);
}

void AddViT(Table& table, const ModelConfig& config) {
  const std::int64_t width = config.vision_width, patch = config.patch_size;
  const std::int64_t grid = config.image_size / patch;
  table["visual.class_embedding"] = {{width}};
  table["visual.conv1.weight"] = {{width, 3, patch, patch}};
  table["visual.positional_embedding"] = {{grid * grid + 1, width}};
  AddAffine(table, "visual.ln_pre", width);
  AddTransformer(table, "visual.transformer.", config.vision_layers[0], width, config.vision_mlp);
  AddAffine(table, "visual.ln_post", width);
  table["visual.proj"] = {{width, config.embed_dim}};
}

}  // namespace

std::map<std::string, TensorSpec> TensorsOf(const ModelConfig& config) {
  Table table;
  table["logit_scale"] = {{}};
  if (config.has_text()) AddText(table, config);
  if (!config.has_vision()) return table;
  switch (config.family) {
    case VisionFamily::kResNet: AddResNet(table, config); break;
    case VisionFamily::kViT: AddViT(table, config); break;
  }
  return table;
}

bool IsIgnoredTensor(const std::string& name) {
  constexpr std::array<const char*, 6> kEndings{"num_batches_tracked", "attn_mask",
                                                "position_ids",        "input_resolution",
                                                "context_length",      "vocab_size"};
  return std::any_of(kEndings.begin(), kEndings.end(),
                     [&](const char* ending) { return name.ends_with(ending); });
}

}  // namespace clipsweep
