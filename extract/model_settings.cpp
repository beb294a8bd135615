#include "extract/model_settings.h"

#include <fmt/core.h>

#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "common/atomic_file.h"
#include "common/error.h"
#include "common/log.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
constexpr std::size_t kMaxConfigBytes = std::size_t{1} << 20;

// One JSON object with the name that errors show.
struct Section {
  std::string source;
  Json json;

  [[noreturn]] void Refuse(const std::string& key, const std::string& what) const {
    throw InputError(fmt::format("{}: {} {}", source, Printable(key), what));
  }
  // Null, false and absent say the same: not used.
  bool Has(const std::string& key) const {
    return json.contains(key) && !json[key].is_null() && json[key] != Json(false);
  }
  Section Sub(const std::string& key) const {
    if (!Has(key)) return {source + " " + key, Json::object()};
    if (!json[key].is_object()) Refuse(key, "is not an object");
    return {source + " " + key, json[key]};
  }
  int Positive(const std::string& key, int otherwise) const {
    if (!Has(key)) return otherwise;
    if (!json[key].is_number_integer() || json[key] < 1 || json[key] > 1'000'000) {
      Refuse(key, "is not a positive number");
    }
    return json[key].get<int>();
  }
  // The value, when given, must be this one: others are models that clipsweep does not compute.
  void Expect(const std::string& key, const Json& wanted) const {
    if (Has(key) && json[key] != wanted) {
      Refuse(key, fmt::format("is {}; clipsweep computes {} only", Printable(json[key].dump()),
                              wanted.dump()));
    }
  }
  // Every setting in use must be one of these.
  void OnlyThese(const std::set<std::string>& known) const {
    for (const auto& item : json.items()) {
      if (Has(item.key()) && known.count(item.key()) == 0) {
        Refuse(item.key(), "is a setting that clipsweep does not know; this model cannot be used");
      }
    }
  }
  std::optional<std::array<float, 3>> Colour(const std::string& key) const {
    if (!Has(key)) return std::nullopt;
    const Json& value = json[key];
    std::array<float, 3> colour{};
    if (!value.is_array() || value.size() != 3) Refuse(key, "is not three numbers");
    for (std::size_t c = 0; c < 3; ++c) {
      if (!value[c].is_number()) Refuse(key, "is not three numbers");
      colour[c] = value[c].get<float>();
      if (!(colour[c] > 0 && colour[c] < 10)) Refuse(key, "is out of range");
    }
    return colour;
  }
};

std::optional<Section> ReadBeside(const fs::path& path, const char* name) {
  const fs::path beside = path.parent_path() / name;
  if (!fs::is_regular_file(beside)) return std::nullopt;
  Section section{beside.string(), Json::parse(ReadFile(beside, kMaxConfigBytes), nullptr, false)};
  if (!section.json.is_object()) throw InputError(fmt::format("{}: is not JSON", section.source));
  return section;
}

// open_clip's factory: model_cfg with vision_cfg and text_cfg, and preprocess_cfg.
ModelSettings FromOpenClip(const Section& file) {
  if (!file.Has("model_cfg")) {
    throw InputError(fmt::format(
        "{}: is not an open_clip configuration (no model_cfg); mend or remove it", file.source));
  }
  ModelSettings settings;
  const Section model = file.Sub("model_cfg");
  model.OnlyThese({"embed_dim", "quick_gelu", "vision_cfg", "text_cfg", "init_logit_scale"});
  if (model.Has("quick_gelu") && !model.json["quick_gelu"].is_boolean()) {
    model.Refuse("quick_gelu", "is not true or false");
  }
  settings.quick_gelu = model.Has("quick_gelu");  // open_clip's default is GELU

  const Section vision = model.Sub("vision_cfg");
  vision.OnlyThese({"layers", "width", "head_width", "mlp_ratio", "patch_size", "image_size",
                    "patch_dropout", "pool_type", "pos_embed_type", "attn_pooler_queries",
                    "attn_pooler_heads", "timm_pool", "timm_proj", "block_type"});
  vision.Expect("pool_type", "tok");
  vision.Expect("block_type", "default");
  settings.vision_head_width = vision.Positive("head_width", 64);

  const Section text = model.Sub("text_cfg");
  text.OnlyThese({"context_length", "vocab_size", "width", "heads", "layers", "mlp_ratio",
                  "pool_type", "pad_id", "eos_id", "proj_type", "block_type",
                  "hf_model_pretrained"});
  text.Expect("pool_type", "argmax");
  text.Expect("proj_type", "linear");
  text.Expect("block_type", "default");
  if (model.Has("text_cfg")) settings.text_heads = text.Positive("heads", 8);

  const Section pixels = file.Sub("preprocess_cfg");
  pixels.Expect("interpolation", "bicubic");
  pixels.Expect("resize_mode", "shortest");
  settings.mean = pixels.Colour("mean");
  settings.deviation = pixels.Colour("std");
  return settings;
}

// transformers leaves out what equals its defaults, which are ViT-B/32's.
ModelSettings FromHuggingFace(const Section& file, const std::optional<Section>& pixels) {
  file.Expect("model_type", "clip");
  const Section vision = file.Sub("vision_config"), text = file.Sub("text_config");
  const auto activation = [](const Section& section) {
    return section.Has("hidden_act") ? section.json["hidden_act"] : Json("quick_gelu");
  };
  if (activation(vision) != activation(text)) {
    vision.Refuse("hidden_act", "differs from the text encoder's");
  }
  if (activation(text) != "quick_gelu" && activation(text) != "gelu") {
    text.Refuse("hidden_act", fmt::format("is {}; clipsweep computes quick_gelu and gelu",
                                          Printable(activation(text).dump())));
  }
  for (const Section* section : {&vision, &text}) section->Expect("layer_norm_eps", 1e-5);
  ModelSettings settings;
  settings.quick_gelu = activation(text) == "quick_gelu";
  settings.vision_heads = vision.Positive("num_attention_heads", 12);
  settings.text_heads = text.Positive("num_attention_heads", 8);
  if (pixels) {
    pixels->Expect("resample", 3);  // Pillow's bicubic
    settings.mean = pixels->Colour("image_mean");
    settings.deviation = pixels->Colour("image_std");
  }
  return settings;
}

}  // namespace

ModelSettings ReadModelSettings(const fs::path& path, const OpenedWeights& opened) {
  switch (opened.form) {
    case CheckpointForm::kOpenAi: {
      ModelSettings settings;
      settings.quick_gelu = true;
      return settings;
    }
    case CheckpointForm::kHuggingFace: {
      const auto config = ReadBeside(path, "config.json");
      if (!config) return {};
      return FromHuggingFace(*config, ReadBeside(path, "preprocessor_config.json"));
    }
    case CheckpointForm::kOpenClip: break;
  }
  const std::string text = opened.weights->Metadata("open_clip_config");
  if (!text.empty()) {
    Section section{path.string() + " (metadata)", Json::parse(text, nullptr, false)};
    if (!section.json.is_object())
      throw InputError(section.source + ": open_clip_config is not JSON");
    return FromOpenClip(section);
  }
  const auto beside = ReadBeside(path, "open_clip_config.json");
  return beside ? FromOpenClip(*beside) : ModelSettings{};
}

}  // namespace clipsweep
