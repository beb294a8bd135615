#include "extract/model_options.h"

#include "extract/model_folder.h"

namespace clipsweep {

std::unique_ptr<Checkpoint> OpenCheckpoint(const ModelOptions& options) {
  return std::make_unique<Checkpoint>(FindModel(options.model), options);
}

EncoderOptions MakeEncoderOptions(const ModelOptions& options, const Compute& compute) {
  return {at::Device(compute.device), ParsePrecision(options.precision)};
}

}  // namespace clipsweep
