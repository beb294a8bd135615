// A checkpoint's tensors by name, whatever file they are in. Names are open_clip's and OpenAI's
// ("visual.conv1.weight", "transformer.resblocks.0.ln_1.weight", ..); other forms are translated.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "extract/checkpoints/file_kind.h"

namespace clipsweep {

enum class CheckpointForm { kOpenClip, kOpenAi, kHuggingFace };

class Weights {
 public:
  virtual ~Weights() = default;
  virtual bool Has(const std::string& name) const = 0;
  virtual std::vector<std::string> Names() const = 0;
  // Both throw InputError naming file and tensor when it is missing.
  virtual const std::vector<std::int64_t>& Shape(const std::string& name) const = 0;
  // As float32, whatever floating type is stored. Throws InputError on other types.
  virtual at::Tensor Load(const std::string& name) const = 0;
  // How values are stored: "F32", "F16", "BF16", "F64", or a type that weights may not be.
  virtual std::string Type(const std::string& name) const = 0;
  // The file's own text under this key, "" where it has none.
  virtual std::string Metadata(const std::string&) const { return ""; }
};

struct OpenedWeights {
  CheckpointForm form = CheckpointForm::kOpenClip;
  std::unique_ptr<Weights> weights;
  std::vector<std::string> remarks;  // what is odd but allowed
};

// Tells the form by the file's kind and its tensors' names. A TorchScript archive is opened only
// when `trusted`, because opening one can run code. Names that a training program wrapped
// ("module.visual..") are unwrapped. Throws InputError.
OpenedWeights OpenWeights(const std::filesystem::path& path, FileKind kind, bool trusted);

}  // namespace clipsweep
