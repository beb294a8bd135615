// The index of a checkpoint in several safetensors files: JSON whose "weight_map" says which file
// holds which tensor. Knows nothing of LibTorch.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace clipsweep {

// Tensor -> file. Files are plain names, beside the index. Throws SafetensorsError for what is no
// index, for a tensor that is listed twice and for a file elsewhere.
std::map<std::string, std::string> ParseSafetensorsIndex(std::string_view text);

}  // namespace clipsweep
