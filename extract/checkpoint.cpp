#include "extract/checkpoint.h"

#include <ATen/ATen.h>
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "common/atomic_file.h"
#include "common/error.h"
#include "common/log.h"
#include "common/sha256.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

// How many consecutive numbers from 0 have a tensor `prefix<number>suffix`.
int CountBlocks(const Safetensors& file, const std::string& prefix, const std::string& suffix) {
  int count = 0;
  while (file.Has(fmt::format("{}{}{}", prefix, count, suffix))) ++count;
  return count;
}

int SquareRoot(std::int64_t value) {
  std::int64_t root = 0;
  while ((root + 1) * (root + 1) <= value) ++root;
  return root * root == value ? static_cast<int>(root) : -1;
}

}  // namespace

fs::path FindModel(const std::string& spec) {
  if (fs::is_regular_file(spec)) return spec;
  const char* folder = std::getenv("CLIPSWEEP_MODELS");
  std::string stem = spec;
  std::replace(stem.begin(), stem.end(), '/', '-');
  if (folder != nullptr) {
    const fs::path path = fs::path(folder) / (stem + ".safetensors");
    if (fs::is_regular_file(path)) return path;
    throw InputError(
        fmt::format("{}: no such model: neither a file nor {}", Printable(spec), path.string()));
  }
  throw InputError(
      fmt::format("{}: no such model file; give a path, or set CLIPSWEEP_MODELS to the folder of "
                  "your checkpoints",
                  Printable(spec)));
}

Checkpoint::Checkpoint(const fs::path& path, const std::string& activation)
    : file_(path), sha256_(FileSha256(path)), config_(ReadConfig(activation)) {}

bool Checkpoint::ReadQuickGelu(const std::string& activation) const {
  if (activation == "quickgelu") return true;
  if (activation == "gelu") return false;
  if (activation != "auto") {
    throw UsageError(fmt::format("--activation: '{}' is none; use auto, quickgelu or gelu",
                                 Printable(activation)));
  }
  std::string text = file_.Metadata("open_clip_config");
  std::string source = path().string() + " (metadata)";
  const fs::path beside = path().parent_path() / "open_clip_config.json";
  if (text.empty() && fs::exists(beside)) {
    text = ReadFile(beside, std::size_t{1} << 20);
    source = beside.string();
  }
  if (text.empty()) return true;
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("model_cfg") || !json["model_cfg"].is_object()) {
    throw InputError(
        fmt::format("{}: is not an open_clip configuration (no model_cfg); mend it or give "
                    "--activation",
                    source));
  }
  const Json value = json["model_cfg"].value("quick_gelu", Json(false));
  if (!value.is_boolean())
    throw InputError(fmt::format("{}: quick_gelu is not true or false", source));
  return value.get<bool>();
}

ModelConfig Checkpoint::ReadConfig(const std::string& activation) const {
  const std::string shown = path().string();
  if (!file_.Has("token_embedding.weight") || !file_.Has("visual.conv1.weight")) {
    throw InputError(
        fmt::format("{}: has no CLIP image and text encoder under open_clip's tensor names; export "
                    "it with open_clip",
                    shown));
  }
  const auto shape = [&](const std::string& name, std::size_t dims) {
    const auto& found = file_.Shape(name);
    if (found.size() != dims) {
      throw InputError(fmt::format("{}: tensor '{}' has {} dimensions, {} needed", shown, name,
                                   found.size(), dims));
    }
    return found;
  };
  ModelConfig config;
  config.name = "custom";
  const auto embedding = shape("token_embedding.weight", 2);
  config.vocab_size = static_cast<int>(embedding[0]);
  config.text_width = static_cast<int>(embedding[1]);
  config.text_heads = std::max(1, config.text_width / 64);
  config.text_layers = CountBlocks(file_, "transformer.resblocks.", ".ln_1.weight");
  config.context_length = static_cast<int>(shape("positional_embedding", 2)[0]);
  config.embed_dim = static_cast<int>(shape("text_projection", 2)[1]);
  const auto conv = shape("visual.conv1.weight", 4);
  if (file_.Has("visual.class_embedding")) {
    config.family = VisionFamily::kViT;
    config.vision_width = static_cast<int>(conv[0]);
    config.patch_size = static_cast<int>(conv[2]);
    config.vision_layers[0] = CountBlocks(file_, "visual.transformer.resblocks.", ".ln_1.weight");
    const int grid = SquareRoot(shape("visual.positional_embedding", 2)[0] - 1);
    config.image_size = grid * config.patch_size;
  } else {
    config.vision_width = static_cast<int>(conv[0]) * 2;
    for (std::size_t stage = 0; stage < 4; ++stage) {
      config.vision_layers[stage] =
          CountBlocks(file_, fmt::format("visual.layer{}.", stage + 1), ".conv1.weight");
    }
    const int grid = SquareRoot(shape("visual.attnpool.positional_embedding", 2)[0] - 1);
    config.image_size = grid * 32;
  }
  if (config.image_size <= 0 || config.text_layers == 0 || config.vision_layers[0] == 0 ||
      config.vision_width < 2 || config.context_length < 3 ||
      config.text_width % config.text_heads != 0 ||
      (config.family == VisionFamily::kResNet &&
       (config.vision_heads() < 1 || config.vision_width * 32 % config.vision_heads() != 0))) {
    throw InputError(fmt::format("{}: its tensors describe no CLIP model clipsweep knows", shown));
  }
  if (config.vocab_size != 49408) {
    throw InputError(fmt::format("{}: vocabulary of {} tokens, CLIP's tokenizer has 49408", shown,
                                 config.vocab_size));
  }
  for (const ModelConfig& known : KnownModels()) {
    if (known.SameShape(config)) config.name = known.name;
  }
  config.quick_gelu = ReadQuickGelu(activation);
  return config;
}

std::int64_t Checkpoint::parameters() const {
  std::int64_t total = 0;
  for (const std::string& name : file_.Names()) {
    if (name.ends_with("running_mean") || name.ends_with("running_var") ||
        name.ends_with("num_batches_tracked") || name == "attn_mask" ||
        name == "input_resolution" || name == "context_length" || name == "vocab_size") {
      continue;
    }
    std::int64_t count = 1;
    for (std::int64_t side : file_.Shape(name)) count *= side;
    total += count;
  }
  return total;
}

at::Tensor Checkpoint::Take(const std::string& name, const std::vector<std::int64_t>& shape) const {
  const auto& found = file_.Shape(name);
  if (found != shape) {
    throw InputError(
        fmt::format("{}: tensor '{}' is [{}], the model needs [{}]; is it another model?",
                    path().string(), name, fmt::join(found, ", "), fmt::join(shape, ", ")));
  }
  at::Tensor tensor = file_.Load(name);
  if (!at::isfinite(tensor).all().item<bool>()) {
    throw InputError(
        fmt::format("{}: tensor '{}' has values that are not finite; fetch the checkpoint again",
                    path().string(), name));
  }
  return tensor;
}

}  // namespace clipsweep
