// Arrays -> files of other programs. Each file is written whole or not at all; equal content gives
// equal bytes.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "launch/convert/array.h"

namespace clipsweep {

struct ArraySet {
  std::string format;                                 // of the file they come from
  std::vector<std::pair<std::string, Array>> arrays;  // numbers
  std::vector<std::string> classes;                   // empty: none
};

void WriteNpy(const std::filesystem::path& path, const Array& array);
// NAME.npy of each, and `classes` as texts.
void WriteNpz(const std::filesystem::path& path, const ArraySet& set);
// Classes go into the metadata, as a JSON list.
void WriteSafetensors(const std::filesystem::path& path, const ArraySet& set);

// Whether a file that begins like this may be replaced by an export: an .npy, an .npz, or a
// safetensors file that an export wrote.
bool BeginsAsArrays(std::string_view start);

}  // namespace clipsweep
