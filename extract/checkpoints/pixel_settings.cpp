#include "extract/checkpoints/pixel_settings.h"

#include <fmt/core.h>

#include <cmath>

#include "common/process/log.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
constexpr const char* kNewName = "processor_config.json";
constexpr const char* kOldName = "preprocessor_config.json";

void CheckProcessor(const ConfigSection& pixels) {
  static const std::set<std::string> kClip{"CLIPImageProcessor", "CLIPImageProcessorFast",
                                           "CLIPImageProcessorPil", "CLIPFeatureExtractor"};
  for (const char* key : {"image_processor_type", "feature_extractor_type"}) {
    if (!pixels.Has(key)) continue;
    const Json& value = pixels.json[key];
    if (!value.is_string() || kClip.count(value.get<std::string>()) == 0) {
      pixels.Refuse(key, fmt::format("is {}; clipsweep computes CLIPImageProcessor only",
                                     Printable(value.dump().substr(0, 100))));
    }
  }
}

// The shorter side of the resized picture: a number or {"shortest_edge": number}. A height and a
// width would squash it.
std::optional<int> ShortestEdge(const ConfigSection& pixels) {
  if (!pixels.Has("size") || !pixels.json["size"].is_object()) return pixels.Size("size", false);
  const ConfigSection size = pixels.Sub("size");
  for (const auto& item : size.json.items()) {
    if (item.key() != "shortest_edge" && size.Has(item.key())) {
      pixels.Refuse("size", fmt::format("is {}; clipsweep computes {{\"shortest_edge\": N}} only",
                                        Printable(size.json.dump().substr(0, 100))));
    }
  }
  return size.Size("shortest_edge", false);
}

void FromImageProcessor(const ConfigSection& pixels, ModelSettings& settings) {
  CheckProcessor(pixels);
  for (const char* step :
       {"do_resize", "do_center_crop", "do_rescale", "do_normalize", "do_convert_rgb"}) {
    pixels.ExpectNotFalse(step);
  }
  pixels.Expect("resample", 3);  // Pillow's bicubic
  if (pixels.Has("rescale_factor")) {
    const Json& factor = pixels.json["rescale_factor"];
    if (!factor.is_number() || std::abs(factor.get<double>() * 255 - 1) > 1e-6) {
      pixels.Refuse("rescale_factor", fmt::format("is {}; clipsweep computes 1/255 only",
                                                  Printable(factor.dump().substr(0, 100))));
    }
  }
  settings.Stated(pixels.source + " size", ShortestEdge(pixels), &ModelConfig::image_size);
  if (pixels.Has("crop_size") && pixels.json["crop_size"].is_object()) {
    const ConfigSection crop = pixels.Sub("crop_size");
    crop.OnlyThese({"height", "width", "shortest_edge"});
    for (const char* side : {"height", "width", "shortest_edge"}) {
      settings.Stated(crop.source + " " + side, crop.Size(side, false), &ModelConfig::image_size);
    }
  } else {
    settings.Stated(pixels.source + " crop_size", pixels.Size("crop_size"),
                    &ModelConfig::image_size);
  }
  pixels.OnlyThese({"do_resize", "do_center_crop", "do_rescale", "do_normalize", "do_convert_rgb",
                    "resample", "rescale_factor", "size", "crop_size", "image_mean", "image_std",
                    // Names and ways of computing that change no pixel.
                    "image_processor_type", "feature_extractor_type", "processor_class",
                    "tokenizer_class", "auto_map", "_valid_processor_keys", "data_format",
                    "input_data_format", "return_tensors", "device", "disable_grouping",
                    "_name_or_path", "transformers_version"});
  settings.mean = pixels.Colour("image_mean");
  settings.deviation = pixels.Colour("image_std");
  settings.pixels_from = pixels.source;
}

// The first setting in which two descriptions of the same steps differ, "" when there is none.
std::string FirstDifference(const Json& a, const Json& b) {
  for (const char* key :
       {"image_mean", "image_std", "size", "crop_size", "resample", "do_resize", "do_center_crop",
        "do_rescale", "do_normalize", "rescale_factor", "do_convert_rgb"}) {
    if (a.value(key, Json()) != b.value(key, Json())) return key;
  }
  return "";
}

}  // namespace

void ReadOpenClipPixels(const ConfigSection& pixels, ModelSettings& settings) {
  pixels.OnlyThese({"size", "mode", "mean", "std", "interpolation", "resize_mode", "fill_color"});
  pixels.Expect("interpolation", "bicubic");
  pixels.Expect("resize_mode", "shortest");
  pixels.Expect("mode", "RGB");
  settings.Stated(pixels.source + " size", pixels.Size("size"), &ModelConfig::image_size);
  settings.mean = pixels.Colour("mean");
  settings.deviation = pixels.Colour("std");
  settings.pixels_from = pixels.source;
}

void ReadHuggingFacePixels(const fs::path& checkpoint, bool only_if_there,
                           ModelSettings& settings) {
  std::optional<ConfigSection> chosen = ReadConfigBeside(checkpoint, kOldName);
  if (const auto file = ReadConfigBeside(checkpoint, kNewName);
      file && file->Has("image_processor")) {
    const ConfigSection newer = file->Sub("image_processor");
    if (chosen) {
      const std::string key = FirstDifference(newer.json, chosen->json);
      if (!key.empty()) {
        settings.remarks.push_back(
            fmt::format("{}: {} differs from {}'s; the former counts, as in transformers",
                        Printable(newer.source), key, kOldName));
      }
    }
    chosen = newer;
  }
  if (chosen) {
    FromImageProcessor(*chosen, settings);
  } else if (!only_if_there) {
    settings.remarks.push_back(fmt::format(
        "{}: has no {} and no {} beside it; CLIP's own mean, deviation and size are used",
        Printable(checkpoint.string()), kNewName, kOldName));
  }
}

}  // namespace clipsweep
