// CLIP's architectures as rows of data. A new backbone of a known family is one row more.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace clipsweep {

enum class VisionFamily { kResNet, kViT };

struct ModelConfig {
  std::string name;  // "RN50"; "custom" for sizes outside the table
  VisionFamily family = VisionFamily::kResNet;
  int embed_dim = 0;                   // D, width of both encoders' output
  int image_size = 0;                  // n, the input is n x n pixels
  std::array<int, 4> vision_layers{};  // ResNet blocks a stage; ViT: {layers, 0, 0, 0}
  int vision_width = 0;
  int patch_size = 0;  // ViT only
  int text_width = 0;
  int text_heads = 0;
  int text_layers = 0;
  int context_length = 77;
  int vocab_size = 49408;
  bool quick_gelu = true;  // x * sigmoid(1.702 x), as OpenAI trained; false: exact GELU

  int vision_heads() const { return vision_width * 32 / 64; }  // of the ResNet's attention pool
  // Equal but for name and activation.
  bool SameShape(const ModelConfig& other) const;
};

// The nine released models.
const std::vector<ModelConfig>& KnownModels();

// Published SHA-256 of OpenAI's archive of a known model, "" for other names.
std::string_view PublishedSha256(std::string_view name);

}  // namespace clipsweep
