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
  // Where absent means true.
  void ExpectNotFalse(const std::string& key) const {
    if (json.contains(key) && json[key] == Json(false)) {
      Refuse(key, "is false; clipsweep computes true only");
    }
  }
  // A size written as a number or, where square, as two.
  void Size(const std::string& key, int ModelConfig::*field, ModelSettings& settings) const {
    if (!Has(key)) return;
    Json value = json[key];
    if (value.is_array() && value.size() == 2 && value[0] == value[1]) value = Json(value[0]);
    if (!value.is_number_integer() || value < 1 || value > 1'000'000) {
      Refuse(key, "is not one positive number");
    }
    settings.sizes.push_back({source + " " + key, value.get<int>(), field});
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

// Shallow by far; a text of brackets alone would exhaust the stack where values are copied.
Section ParseSection(const std::string& source, const std::string& text) {
  constexpr int kDeepest = 16;
  const auto shallow = [&](int depth, Json::parse_event_t, Json&) {
    if (depth > kDeepest) throw InputError(source + ": is nested too deep; mend or remove it");
    return true;
  };
  if (text.size() > kMaxConfigBytes) throw InputError(source + ": is too long for a configuration");
  Section section{source, Json::parse(text, shallow, /*allow_exceptions=*/false)};
  if (!section.json.is_object()) {
    throw InputError(source + ": is not JSON; mend or remove it");
  }
  return section;
}

std::optional<Section> ReadBeside(const fs::path& path, const char* name) {
  const fs::path beside = path.parent_path() / name;
  std::error_code code;
  if (!fs::is_regular_file(beside, code)) return std::nullopt;
  return ParseSection(beside.string(), ReadFile(beside, kMaxConfigBytes));
}

// open_clip's factory: model_cfg with vision_cfg and text_cfg, and preprocess_cfg.
ModelSettings FromOpenClip(const Section& file, bool opened_is_vit) {
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
  settings.heads_stated = model.Has("vision_cfg") && model.Has("text_cfg");
  model.Size("embed_dim", &ModelConfig::embed_dim, settings);
  vision.Size("image_size", &ModelConfig::image_size, settings);
  vision.Size("width", &ModelConfig::vision_width, settings);
  if (opened_is_vit) vision.Size("patch_size", &ModelConfig::patch_size, settings);

  const Section text = model.Sub("text_cfg");
  text.OnlyThese({"context_length", "vocab_size", "width", "heads", "layers", "mlp_ratio",
                  "pool_type", "pad_id", "eos_id", "proj_type", "block_type",
                  "hf_model_pretrained"});
  text.Size("context_length", &ModelConfig::context_length, settings);
  text.Size("vocab_size", &ModelConfig::vocab_size, settings);
  text.Size("width", &ModelConfig::text_width, settings);
  text.Size("layers", &ModelConfig::text_layers, settings);
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
  Section vision = file.Sub("vision_config"), text = file.Sub("text_config");
  // Older files have these as well, or only; they win.
  vision.json.update(file.Sub("vision_config_dict").json);
  text.json.update(file.Sub("text_config_dict").json);
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
  settings.heads_stated = true;
  file.Size("projection_dim", &ModelConfig::embed_dim, settings);
  vision.Size("image_size", &ModelConfig::image_size, settings);
  vision.Size("patch_size", &ModelConfig::patch_size, settings);
  vision.Size("hidden_size", &ModelConfig::vision_width, settings);
  text.Size("hidden_size", &ModelConfig::text_width, settings);
  text.Size("num_hidden_layers", &ModelConfig::text_layers, settings);
  if (pixels) {
    for (const char* step : {"do_resize", "do_center_crop", "do_rescale", "do_normalize"}) {
      pixels->ExpectNotFalse(step);
    }
    if (pixels->Has("size") && pixels->json["size"].is_object()) {
      const Section size = pixels->Sub("size");
      size.OnlyThese({"shortest_edge"});
      size.Size("shortest_edge", &ModelConfig::image_size, settings);
    } else {
      pixels->Size("size", &ModelConfig::image_size, settings);
    }
    if (pixels->Has("crop_size") && pixels->json["crop_size"].is_object()) {
      const Section crop = pixels->Sub("crop_size");
      crop.Size("height", &ModelConfig::image_size, settings);
      crop.Size("width", &ModelConfig::image_size, settings);
    } else {
      pixels->Size("crop_size", &ModelConfig::image_size, settings);
    }
    pixels->Expect("resample", 3);  // Pillow's bicubic
    settings.mean = pixels->Colour("image_mean");
    settings.deviation = pixels->Colour("image_std");
  }
  return settings;
}

}  // namespace

ModelSettings ReadModelSettings(const fs::path& path, const OpenedWeights& opened, bool published) {
  const bool vit = opened.weights->Has("visual.class_embedding");
  if (opened.form == CheckpointForm::kHuggingFace) {
    const auto config = ReadBeside(path, "config.json");
    if (!config) return {};
    return FromHuggingFace(*config, ReadBeside(path, "preprocessor_config.json"));
  }
  ModelSettings openai;
  openai.quick_gelu = true;
  openai.heads_stated = true;
  if (published) return openai;
  const std::string text = opened.weights->Metadata("open_clip_config");
  if (!text.empty()) {
    return FromOpenClip(ParseSection(path.string() + " (metadata)", text), vit);
  }
  const auto beside = ReadBeside(path, "open_clip_config.json");
  if (beside) return FromOpenClip(*beside, vit);
  if (opened.form != CheckpointForm::kOpenAi) return {};
  LogWarning(
      "{}: an archive without open_clip_config.json beside it is taken for one in OpenAI's form: "
      "QuickGELU, heads of 64 channels",
      path.string());
  return openai;
}

}  // namespace clipsweep
