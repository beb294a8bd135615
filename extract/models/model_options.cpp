#include "extract/models/model_options.h"

#include <ATen/Context.h>

#include <map>
#include <tuple>

#include "extract/checkpoints/model_folder.h"

namespace clipsweep {

std::shared_ptr<const Checkpoint> OpenCheckpoint(const ModelOptions& options) {
  using Key = std::tuple<std::filesystem::path, std::string, bool>;
  static std::map<Key, std::weak_ptr<const Checkpoint>> held;
  const Key key{FindModel(options.model), options.activation, options.trusted};
  std::shared_ptr<const Checkpoint> checkpoint = held[key].lock();
  if (checkpoint == nullptr) {
    checkpoint = std::make_shared<const Checkpoint>(std::get<0>(key), options);
    held[key] = checkpoint;
  }
  return checkpoint;
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
