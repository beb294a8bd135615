// CLIP's image encoders behind one interface, whatever family the checkpoint is of.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "extract/checkpoints/checkpoint.h"
#include "extract/models/encoder_options.h"

namespace clipsweep {

class ImageEncoder {
 public:
  virtual ~ImageEncoder() = default;
  // pixels [B, n, n, 3] uint8, as decoded and cropped, on the encoder's device -> features [B, D]
  // float32 there, not normalised. Thread-safe.
  virtual at::Tensor Encode(const at::Tensor& pixels) const = 0;
};

// One row per family.
std::unique_ptr<ImageEncoder> MakeImageEncoder(const Checkpoint& checkpoint,
                                               const EncoderOptions& options);

}  // namespace clipsweep
