#include "extract/checkpoints/weights.h"

#include <fmt/core.h>

#include "common/process/error.h"
#include "extract/checkpoints/hugging_face.h"
#include "extract/checkpoints/safetensors.h"
#include "extract/checkpoints/sharded_safetensors.h"
#include "extract/checkpoints/torch_archive.h"
#include "extract/checkpoints/wrapped_names.h"

namespace clipsweep {

OpenedWeights OpenWeights(const std::filesystem::path& path, FileKind kind, bool trusted) {
  OpenedWeights opened;
  switch (kind) {
    case FileKind::kTorchScript:
      if (!trusted) {
        throw InputError(fmt::format(
            "{}: is a PyTorch archive of no published SHA-256; opening it can run code. Give "
            "--trust-checkpoint if you trust where it comes from",
            path.string()));
      }
      opened.weights = std::make_unique<TorchArchive>(path);
      break;
    case FileKind::kSafetensorsIndex:
      opened.weights = std::make_unique<ShardedSafetensors>(path);
      break;
    case FileKind::kSafetensors: opened.weights = std::make_unique<Safetensors>(path); break;
  }
  if (kind == FileKind::kTorchScript) opened.form = CheckpointForm::kOpenAi;
  if (const auto wrapper = WrapperOf(*opened.weights)) {
    opened.remarks.push_back(
        fmt::format("{}: tensor names are wrapped, as in '{}'; the wrapping is left off",
                    path.string(), *wrapper));
    opened.weights = std::make_unique<UnwrappedWeights>(std::move(opened.weights), path);
  }
  if (HuggingFaceWeights::Recognises(*opened.weights)) {
    opened.form = CheckpointForm::kHuggingFace;
    opened.weights = std::make_unique<HuggingFaceWeights>(std::move(opened.weights));
  }
  return opened;
}

}  // namespace clipsweep
