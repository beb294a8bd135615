// CLIP's architectures as rows of data. A new backbone of a known family is one row more.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
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
  int vision_heads = 0;  // ResNet: of the attention pool
  int vision_mlp = 0;    // ViT only, hidden width of a block's two-layer network
  int patch_size = 0;    // ViT only
  int text_width = 0;
  int text_heads = 0;
  int text_layers = 0;
  int text_mlp = 0;
  int context_length = 77;
  int vocab_size = 49408;
  // true: x * sigmoid(1.702 x), as OpenAI trained; false: exact GELU. Tensors do not tell; empty
  // where nothing else does.
  std::optional<bool> quick_gelu;
  // What pixels / 255 are normalised with.
  std::array<float, 3> mean{0.48145466f, 0.4578275f, 0.40821073f};
  std::array<float, 3> deviation{0.26862954f, 0.26130258f, 0.27577711f};

  // A checkpoint may be of one encoder alone.
  bool has_text() const { return text_layers > 0; }
  bool has_vision() const { return vision_layers[0] > 0; }

  // The architecture's numbers are equal: all but name, activation and normalisation.
  bool SameShape(const ModelConfig& other) const;
};

// The nine released models.
const std::vector<ModelConfig>& KnownModels();

// Name of the model whose archive, as OpenAI published it, has this SHA-256; "" when there is none.
std::string_view ModelOfPublishedArchive(std::string_view sha256);

// Bytes of the archive that OpenAI published under this file name without its ending ("RN50",
// "ViT-B-32"), 0 when there is none.
std::uint64_t PublishedArchiveBytes(std::string_view stem);

}  // namespace clipsweep
