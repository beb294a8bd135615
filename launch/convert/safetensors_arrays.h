// Arrays of any type in a safetensors file, for files that are no checkpoint.
#pragma once

#include <filesystem>
#include <string>

#include "extract/checkpoints/safetensors_header.h"
#include "launch/convert/array.h"

namespace clipsweep {

class SafetensorsArrays {
 public:
  // Maps the file and checks its header. Throws InputError.
  explicit SafetensorsArrays(const std::filesystem::path& path);
  ~SafetensorsArrays();
  SafetensorsArrays(const SafetensorsArrays&) = delete;
  SafetensorsArrays& operator=(const SafetensorsArrays&) = delete;

  const SafetensorsHeader& header() const { return header_; }
  // `where` names file and array. Throws InputError for a type that is not read here.
  Array Read(const std::string& name, const std::string& where) const;

 private:
  SafetensorsHeader header_;
  void* map_ = nullptr;
  std::size_t map_bytes_ = 0;
};

}  // namespace clipsweep
