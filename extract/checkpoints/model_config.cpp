#include "extract/checkpoints/model_config.h"

#include <algorithm>
#include <tuple>

namespace clipsweep {
namespace {

struct Row {
  ModelConfig config;
  std::string_view sha256;  // of OpenAI's archive
  std::uint64_t bytes;      // its size
};

ModelConfig Text(ModelConfig config, int width, int heads) {
  config.text_width = width;
  config.text_heads = heads;
  config.text_layers = 12;
  config.text_mlp = 4 * width;
  config.quick_gelu = true;
  return config;
}

ModelConfig ResNet(std::string_view name, int embed_dim, int image_size, std::array<int, 4> layers,
                   int width, int text_width, int text_heads) {
  ModelConfig config;
  config.name = name;
  config.family = VisionFamily::kResNet;
  config.embed_dim = embed_dim;
  config.image_size = image_size;
  config.vision_layers = layers;
  config.vision_width = width;
  config.vision_heads = width * 32 / 64;
  return Text(config, text_width, text_heads);
}

ModelConfig ViT(std::string_view name, int embed_dim, int image_size, int layers, int width,
                int patch, int text_width, int text_heads) {
  ModelConfig config;
  config.name = name;
  config.family = VisionFamily::kViT;
  config.embed_dim = embed_dim;
  config.image_size = image_size;
  config.vision_layers = {layers, 0, 0, 0};
  config.vision_width = width;
  config.vision_heads = width / 64;
  config.vision_mlp = 4 * width;
  config.patch_size = patch;
  return Text(config, text_width, text_heads);
}

const std::vector<Row>& Rows() {
  // clang-format off
  static const std::vector<Row> rows = {
      {ResNet("RN50", 1024, 224, {3, 4, 6, 3}, 64, 512, 8),
       "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762",
        255827503},
      {ResNet("RN101", 512, 224, {3, 4, 23, 3}, 64, 512, 8),
       "8fa8567bab74a42d41c5915025a8e4538c3bdbe8804a470a72f30b0d94fab599",
        291791292},
      {ResNet("RN50x4", 640, 288, {4, 6, 10, 6}, 80, 640, 10),
       "7e526bd135e493cef0776de27d5f42653e6b4c8bf9e0f653bb11773263205fdd",
        421854225},
      {ResNet("RN50x16", 768, 384, {6, 8, 18, 8}, 96, 768, 12),
       "52378b407f34354e150460fe41077663dd5b39c54cd0bfd2b27167a4a06ec9aa",
        661125706},
      {ResNet("RN50x64", 1024, 448, {3, 15, 36, 10}, 128, 1024, 16),
       "be1cfb55d75a9666199fb2206c106743da0f6468c9d327f3e0d0a543a9919d9c",
        1353500174},
      {ViT("ViT-B/32", 512, 224, 12, 768, 32, 512, 8),
       "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af",
        353976522},
      {ViT("ViT-B/16", 512, 224, 12, 768, 16, 512, 8),
       "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f",
        350837078},
      {ViT("ViT-L/14", 768, 224, 24, 1024, 14, 768, 12),
       "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836",
        932768134},
      {ViT("ViT-L/14@336px", 768, 336, 24, 1024, 14, 768, 12),
       "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02",
        934088680},
  };
  // clang-format on
  return rows;
}

}  // namespace

bool ModelConfig::SameShape(const ModelConfig& other) const {
  const auto shape = [](const ModelConfig& m) {
    return std::tie(m.family, m.embed_dim, m.image_size, m.vision_layers, m.vision_width,
                    m.vision_heads, m.vision_mlp, m.patch_size, m.text_width, m.text_heads,
                    m.text_layers, m.text_mlp, m.context_length, m.vocab_size);
  };
  return shape(*this) == shape(other);
}

const std::vector<ModelConfig>& KnownModels() {
  static const std::vector<ModelConfig> models = [] {
    std::vector<ModelConfig> configs;
    for (const Row& row : Rows()) configs.push_back(row.config);
    return configs;
  }();
  return models;
}

std::string_view ModelOfPublishedArchive(std::string_view sha256) {
  for (const Row& row : Rows()) {
    if (row.sha256 == sha256) return row.config.name;
  }
  return "";
}

std::uint64_t PublishedArchiveBytes(std::string_view stem) {
  for (const Row& row : Rows()) {
    std::string name = row.config.name;
    std::replace_if(
        name.begin(), name.end(), [](char c) { return c == '/' || c == '@'; }, '-');
    if (name == stem) return row.bytes;
  }
  return 0;
}

}  // namespace clipsweep
