#include "extract/models/model_options.h"

#include <ATen/Context.h>

#include "extract/checkpoints/model_folder.h"

namespace clipsweep {

std::unique_ptr<Checkpoint> OpenCheckpoint(const ModelOptions& options) {
  return std::make_unique<Checkpoint>(FindModel(options.model), options);
}

EncoderOptions MakeEncoderOptions(const ModelOptions& options, const Compute& compute) {
  if (compute.on_gpu()) {
    // LibTorch lets convolutions round float32 to TF32 unless told not to; "f32" means float32.
    at::globalContext().setAllowTF32CuDNN(false);
    at::globalContext().setAllowTF32CuBLAS(false);
  }
  return {at::Device(compute.device), ParsePrecision(options.precision)};
}

}  // namespace clipsweep
