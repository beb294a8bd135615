// What a model's files say of preparing pictures: colours, sizes, and the steps, which must be
// those that clipsweep computes.
#pragma once

#include <filesystem>

#include "extract/checkpoints/config_section.h"
#include "extract/checkpoints/model_settings.h"

namespace clipsweep {

// open_clip's preprocess_cfg.
void ReadOpenClipPixels(const ConfigSection& pixels, ModelSettings& settings);

// transformers' files beside `checkpoint`: `image_processor` in processor_config.json, which
// transformers 5 writes, or preprocessor_config.json. Where both are there the first counts, as in
// transformers, and a difference is a remark; where neither is, that is one. With `only_if_there` a
// missing file is no remark. Throws InputError naming the setting that clipsweep does not compute.
void ReadHuggingFacePixels(const std::filesystem::path& checkpoint, bool only_if_there,
                           ModelSettings& settings);

}  // namespace clipsweep
