#include "extract/models/model_options.h"

#include <ATen/Context.h>

#include <map>
#include <tuple>

#include "common/compute/processor.h"
#include "common/process/error.h"
#include "common/process/log.h"
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
  const at::ScalarType precision = ParsePrecision(options.precision);
  if (!compute.on_gpu() && precision == at::kHalf) {
    throw UsageError(
        "--precision f16: a CPU emulates float16, which takes several times as long as f32; use "
        "bf16, f32, or a GPU");
  }
  if (!compute.on_gpu() && precision == at::kBFloat16 && !HasBfloat16()) {
    LogWarning(
        "--precision bf16: this processor has no bfloat16 products; they are emulated, f32 is "
        "faster");
  }
  if (compute.on_gpu()) {
    // LibTorch lets convolutions round float32 to TF32 unless told not to; "f32" means float32.
    at::globalContext().setAllowTF32CuDNN(false);
    at::globalContext().setAllowTF32CuBLAS(false);
  }
  return {at::Device(compute.device), precision};
}

}  // namespace clipsweep
