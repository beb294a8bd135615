// How the pipeline's encoder threads drive an image encoder: at once on a CPU, as a CUDA graph on a
// GPU.
#pragma once

#include <memory>

#include "common/compute/device.h"
#include "extract/models/encoder_models.h"
#include "extract/pipeline/image_pipeline.h"

namespace clipsweep {

// `shape` says the batch and image size. The encoder must outlive the result.
std::unique_ptr<BatchEncoder> MakeBatchEncoder(const ImageEncoder& encoder, const Compute& compute,
                                               const PipelineShape& shape);

}  // namespace clipsweep
