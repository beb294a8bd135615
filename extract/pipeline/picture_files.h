// Pictures by path, without classes: what similarity and predict look at.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "common/compute/device.h"
#include "common/data/left_out.h"
#include "extract/checkpoints/model_config.h"
#include "extract/models/encoder_models.h"
#include "extract/pipeline/image_notes.h"
#include "extract/pipeline/image_pipeline.h"

namespace clipsweep {

// Files as given, folders' pictures (folder_scan.h) in byte order; `deep`: of their sub-folders
// too. Throws InputError when there is none, a folder cannot be listed or a link makes a loop.
struct FoundPictures {
  std::vector<std::filesystem::path> paths;
  LeftOut left_out;  // of the folders
};
FoundPictures FindPictures(const std::vector<std::filesystem::path>& given, bool deep);

// Encodes the pictures of `ranges` (which count `paths`). `receive` gets unit rows [count, D] and
// for each why it could not be read, "" when it could. With `skip_bad` false an unreadable picture
// throws InputError naming it. Notes about pictures are logged; of each kind there are as many as
// the counts returned.
using ReceivePictures = std::function<void(const ShardRange& range, const at::Tensor& features,
                                           const std::vector<std::string>& reasons)>;
NoteCounts EncodePictures(const ImageEncoder& encoder, const ModelConfig& model,
                          const std::vector<std::filesystem::path>& paths,
                          const std::vector<ShardRange>& ranges, bool skip_bad,
                          const DecodeLimits& limits, const Compute& compute,
                          const ReceivePictures& receive, const ImagePipeline::Tick& tick);

}  // namespace clipsweep
