// What a checkpoint's tensors cannot tell: activation, numbers of heads, pixel normalisation. Read
// from the configuration that comes with it, in open_clip's or Hugging Face's form.
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "extract/checkpoints/model_config.h"
#include "extract/checkpoints/weights.h"

namespace clipsweep {

struct ModelSettings {
  std::optional<bool> quick_gelu;
  int vision_head_width = 64;       // channels a head of the image encoder
  std::optional<int> vision_heads;  // where the configuration counts heads instead
  std::optional<int> text_heads;
  bool heads_stated =
      false;  // else heads are 64 channels wide, which holds for OpenAI's sizes only
  std::optional<std::array<float, 3>> mean, deviation;
  // Sizes the configuration states, to be held against the tensors'.
  struct Size {
    std::string where;  // "config.json vision_config patch_size"
    int value;
    int ModelConfig::*field;
  };
  std::vector<Size> sizes;
  void Stated(const std::string& where, std::optional<int> value, int ModelConfig::*field);
  // What the pixel settings were read from; "" where CLIP's own are used.
  std::string pixels_from;
  // What is odd but allowed, one line each, for the terminal and --json.
  std::vector<std::string> remarks;
};

// Looks for, in this order:
//   open_clip: "open_clip_config" in the file's metadata, open_clip_config.json beside it;
//   Hugging Face: config.json beside it;
//   OpenAI: none is needed (QuickGELU, heads of 64 channels); open_clip_config.json beside an
//   archive that is not one of theirs is read.
// Where these say nothing of pixels: processor_config.json and preprocessor_config.json, as
// pixel_settings.h says. A setting that would make another model of it than clipsweep computes is
// refused by name (InputError), never ignored.
ModelSettings ReadModelSettings(const std::filesystem::path& path, const OpenedWeights& opened,
                                bool published);

}  // namespace clipsweep
