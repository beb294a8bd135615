#include "extract/checkpoints/model_settings.h"

#include <fmt/core.h>

#include <string>
#include <utility>

#include "common/process/error.h"
#include "common/process/log.h"
#include "extract/checkpoints/config_section.h"
#include "extract/checkpoints/pixel_settings.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Section = ConfigSection;

// open_clip's factory: model_cfg with vision_cfg and text_cfg, and preprocess_cfg.
ModelSettings FromOpenClip(const Section& file, bool opened_is_vit) {
  if (!file.Has("model_cfg")) {
    throw InputError(fmt::format(
        "{}: is not an open_clip configuration (no model_cfg); mend or remove it", file.source));
  }
  ModelSettings settings;
  const auto stated = [&](const Section& section, const char* key, int ModelConfig::*field) {
    settings.Stated(section.source + " " + key, section.Size(key), field);
  };
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
  stated(model, "embed_dim", &ModelConfig::embed_dim);
  stated(vision, "image_size", &ModelConfig::image_size);
  stated(vision, "width", &ModelConfig::vision_width);
  if (opened_is_vit) stated(vision, "patch_size", &ModelConfig::patch_size);

  const Section text = model.Sub("text_cfg");
  text.OnlyThese({"context_length", "vocab_size", "width", "heads", "layers", "mlp_ratio",
                  "pool_type", "pad_id", "eos_id", "proj_type", "block_type",
                  "hf_model_pretrained"});
  stated(text, "context_length", &ModelConfig::context_length);
  stated(text, "vocab_size", &ModelConfig::vocab_size);
  stated(text, "width", &ModelConfig::text_width);
  stated(text, "layers", &ModelConfig::text_layers);
  text.Expect("pool_type", "argmax");
  text.Expect("proj_type", "linear");
  text.Expect("block_type", "default");
  if (model.Has("text_cfg")) settings.text_heads = text.Positive("heads", 8);

  if (file.Has("preprocess_cfg")) ReadOpenClipPixels(file.Sub("preprocess_cfg"), settings);
  return settings;
}

// The sections of the two encoders: of one alone, config.json is that one's.
std::pair<Section, Section> Encoders(const Section& file, const Weights& weights) {
  const std::string type =
      file.json.value("model_type", Json("clip")) == Json("clip_vision_model") ? "clip_vision_model"
      : file.json.value("model_type", Json()) == Json("clip_text_model")       ? "clip_text_model"
                                                                               : "clip";
  file.Expect("model_type", type);
  Section vision = file.Sub("vision_config"), text = file.Sub("text_config");
  if (type == "clip_vision_model" && !file.Has("vision_config")) vision.json = file.json;
  if (type == "clip_text_model" && !file.Has("text_config")) text.json = file.json;
  // Older files have these as well, or only; they win.
  vision.json.update(file.Sub("vision_config_dict").json);
  text.json.update(file.Sub("text_config_dict").json);
  if (!weights.Has("visual.conv1.weight")) vision.json = text.json;
  if (!weights.Has("token_embedding.weight")) text.json = vision.json;
  return {vision, text};
}

// transformers leaves out what equals its defaults, which are ViT-B/32's.
ModelSettings FromHuggingFace(const Section& file, const Weights& weights) {
  if (file.Has("quantization_config")) {
    file.Refuse("quantization_config",
                "says that the weights are quantised; give the model in "
                "float32, float16 or bfloat16");
  }
  const auto [vision, text] = Encoders(file, weights);
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
  const auto stated = [&](const Section& section, const char* key, int ModelConfig::*field) {
    settings.Stated(section.source + " " + key, section.Size(key), field);
  };
  settings.quick_gelu = activation(text) == "quick_gelu";
  settings.heads_stated = true;
  stated(file, "projection_dim", &ModelConfig::embed_dim);
  if (weights.Has("visual.conv1.weight")) {
    settings.vision_heads = vision.Positive("num_attention_heads", 12);
    stated(vision, "image_size", &ModelConfig::image_size);
    stated(vision, "patch_size", &ModelConfig::patch_size);
    stated(vision, "hidden_size", &ModelConfig::vision_width);
    stated(vision, "intermediate_size", &ModelConfig::vision_mlp);
  }
  if (weights.Has("token_embedding.weight")) {
    settings.text_heads = text.Positive("num_attention_heads", 8);
    stated(text, "hidden_size", &ModelConfig::text_width);
    stated(text, "intermediate_size", &ModelConfig::text_mlp);
    stated(text, "num_hidden_layers", &ModelConfig::text_layers);
    stated(text, "max_position_embeddings", &ModelConfig::context_length);
    stated(text, "vocab_size", &ModelConfig::vocab_size);
  }
  return settings;
}

ModelSettings FromOpenAi() {
  ModelSettings settings;
  settings.quick_gelu = true;
  settings.heads_stated = true;
  return settings;
}

// All but what Hugging Face's files say of pixels.
ModelSettings WithoutPixels(const fs::path& path, const OpenedWeights& opened) {
  if (opened.form == CheckpointForm::kHuggingFace) {
    const auto config = ReadConfigBeside(path, "config.json");
    return config ? FromHuggingFace(*config, *opened.weights) : ModelSettings{};
  }
  const bool vit = opened.weights->Has("visual.class_embedding");
  const std::string text = opened.weights->Metadata("open_clip_config");
  if (!text.empty()) {
    return FromOpenClip(ParseConfigSection(path.string() + " (metadata)", text), vit);
  }
  const auto beside = ReadConfigBeside(path, "open_clip_config.json");
  if (beside) return FromOpenClip(*beside, vit);
  if (opened.form != CheckpointForm::kOpenAi) return {};
  ModelSettings settings = FromOpenAi();
  settings.remarks.push_back(
      fmt::format("{}: an archive without open_clip_config.json beside it is taken for one in "
                  "OpenAI's form: QuickGELU, heads of 64 channels",
                  path.string()));
  return settings;
}

}  // namespace

void ModelSettings::Stated(const std::string& where, std::optional<int> value,
                           int ModelConfig::*field) {
  if (value) sizes.push_back({where, *value, field});
}

ModelSettings ReadModelSettings(const fs::path& path, const OpenedWeights& opened, bool published) {
  if (published) return FromOpenAi();
  ModelSettings settings = WithoutPixels(path, opened);
  const bool hugging_face = opened.form == CheckpointForm::kHuggingFace;
  if (settings.pixels_from.empty() && opened.weights->Has("visual.conv1.weight")) {
    ReadHuggingFacePixels(path, /*only_if_there=*/!hugging_face, settings);
  }
  return settings;
}

}  // namespace clipsweep
