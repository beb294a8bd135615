// A CLIP checkpoint on disk, of any form: tells its architecture from its tensors, hands out
// checked weights. One with one of the two encoders alone serves for what that one computes.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "extract/checkpoints/clip_tensors.h"
#include "extract/checkpoints/model_config.h"
#include "extract/checkpoints/weights.h"

namespace clipsweep {

struct CheckpointOptions {
  std::string activation =
      "auto";            // "auto": what the configuration says; else "quickgelu" or "gelu"
  bool trusted = false;  // open a TorchScript archive whose SHA-256 is not published
};

class Checkpoint {
 public:
  // Throws InputError on files that are no CLIP checkpoint, naming the tensor that is missing,
  // misshapen or unknown; UsageError on a bad activation.
  explicit Checkpoint(const std::filesystem::path& path, const CheckpointOptions& options = {});

  const ModelConfig& config() const { return config_; }
  // Of the file; of a checkpoint in several files, ShardsSha256.
  const std::string& sha256() const { return sha256_; }
  const std::filesystem::path& path() const { return path_; }
  CheckpointForm form() const { return form_; }
  // As torch counts them: weights and biases, no running statistics.
  std::int64_t parameters() const { return parameters_; }
  // What is odd but allowed, one line each; already said on the terminal.
  const std::vector<std::string>& remarks() const { return remarks_; }
  // What mean, deviation and size of pixels were read from; "" where CLIP's own are used.
  const std::string& pixels_from() const { return pixels_from_; }
  // "quickgelu", "gelu", or "not stated".
  std::string ActivationName() const;
  // Whether to use QuickGELU. Throws InputError where neither configuration nor option says: a
  // guess would give wrong features silently.
  bool NeedQuickGelu() const;

  // Throw InputError for a checkpoint that has the other encoder only.
  void RequireImageEncoder() const;
  void RequireTextEncoder() const;

  // The tensor as float32, its values checked to be finite. Throws InputError by name; of a
  // checkpoint with one encoder, for all tensors of the other.
  at::Tensor Take(const std::string& name) const;

  // exp(logit_scale), what cosines are multiplied with, to four digits (OpenAI's weights say
  // 99.99998 or 100.003 for 100); 100 where the checkpoint does not say. Throws InputError for
  // a value that no model has.
  double LogitScale() const;

 private:
  ModelConfig ReadConfig(const OpenedWeights& opened, const CheckpointOptions& options);
  void RefuseOthers(const Weights& file) const;
  void CheckTensors();
  void Remark(const std::string& line);

  std::filesystem::path path_;
  std::string sha256_;
  CheckpointForm form_ = CheckpointForm::kOpenClip;
  std::unique_ptr<Weights> weights_;
  ModelConfig config_;
  std::int64_t parameters_ = 0;
  std::vector<std::string> remarks_;
  std::string pixels_from_;
};

}  // namespace clipsweep
