// The two encoders behind one pair of interfaces, whatever family the checkpoint is of.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>

#include "extract/checkpoint.h"

namespace clipsweep {

class ImageEncoder {
 public:
  virtual ~ImageEncoder() = default;
  // images [B, 3, n, n] float32 on the encoder's device -> features [B, D] there. Thread-safe.
  virtual at::Tensor Encode(const at::Tensor& images) const = 0;
};

// One row per family; throws InputError for a family this version cannot run.
std::unique_ptr<ImageEncoder> MakeImageEncoder(const Checkpoint& checkpoint,
                                               const std::string& device);

}  // namespace clipsweep
