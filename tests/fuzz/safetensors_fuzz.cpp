// libFuzzer target: any bytes as a safetensors file end in a header or a SafetensorsError, and what
// a header promises lies inside the file.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "extract/checkpoints/safetensors_header.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view file(reinterpret_cast<const char*>(data), size);
  try {
    const auto header = clipsweep::ParseSafetensors(file);
    if (header.data_begin > size) std::abort();
    for (const auto& [name, entry] : header.entries) {
      if (entry.begin > entry.end || entry.end > size - header.data_begin) std::abort();
    }
  } catch (const clipsweep::SafetensorsError&) {
  }
  return 0;
}
