// Which tensors a CLIP model consists of, by open_clip's names: the list that a checkpoint is held
// against, so that a missing, misshapen or unknown tensor is found before anything is computed.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "extract/checkpoints/model_config.h"

namespace clipsweep {

struct TensorSpec {
  std::vector<std::int64_t> shape;
  bool parameter = true;  // false: a running statistic, which torch does not count as a parameter
};

std::map<std::string, TensorSpec> TensorsOf(const ModelConfig& config);

// May be in a checkpoint, is not used: attention masks, position numbers, counters, sizes as
// tensors.
bool IsIgnoredTensor(const std::string& name);

}  // namespace clipsweep
