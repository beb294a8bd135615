// A CLIP checkpoint on disk: finds it, tells its architecture from its tensors, hands out checked
// weights.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "extract/model_config.h"
#include "extract/safetensors.h"

namespace clipsweep {

// A path, or a name looked for as NAME.safetensors in $CLIPSWEEP_MODELS (slashes in names become
// '-'). Throws InputError saying where it looked.
std::filesystem::path FindModel(const std::string& spec);

class Checkpoint {
 public:
  // `activation`: "auto" takes quick_gelu from open_clip_config.json beside the file or in its
  // metadata
  // ("open_clip_config"), and QuickGELU, as OpenAI trained, where there is neither; else
  // "quickgelu" or "gelu". Throws InputError on files that are no CLIP checkpoint, UsageError on a
  // bad activation.
  explicit Checkpoint(const std::filesystem::path& path, const std::string& activation = "auto");

  const ModelConfig& config() const { return config_; }
  const std::string& sha256() const { return sha256_; }
  const std::filesystem::path& path() const { return file_.path(); }
  std::int64_t parameters()
      const;  // as torch counts them: weights and biases, no running statistics

  // The tensor as float32, checked: exactly this shape, every value finite. Throws InputError by
  // name.
  at::Tensor Take(const std::string& name, const std::vector<std::int64_t>& shape) const;

 private:
  ModelConfig ReadConfig(const std::string& activation) const;
  bool ReadQuickGelu(const std::string& activation) const;

  Safetensors file_;
  std::string sha256_;
  ModelConfig config_;
};

}  // namespace clipsweep
