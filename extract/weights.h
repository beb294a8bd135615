// A checkpoint's tensors by name, whatever file they are in. Names are open_clip's and OpenAI's
// ("visual.conv1.weight", "transformer.resblocks.0.ln_1.weight", ..); other forms are translated.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

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
  // The file's own text under this key, "" where it has none.
  virtual std::string Metadata(const std::string&) const { return ""; }
};

struct OpenedWeights {
  CheckpointForm form = CheckpointForm::kOpenClip;
  std::unique_ptr<Weights> weights;
};

// Tells the form by the file's first bytes and its tensors' names. A TorchScript archive is opened
// only when `trusted`, because opening one can run code. Throws InputError, naming what the file is
// instead, for anything that is no checkpoint.
OpenedWeights OpenWeights(const std::filesystem::path& path, bool trusted);

}  // namespace clipsweep
