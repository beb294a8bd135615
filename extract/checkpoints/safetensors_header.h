// The header of a safetensors file: 8 bytes of length, then JSON with each tensor's type, shape and
// place. Every length, offset, shape and overlap is checked here, before anything is read: files
// may be hostile. Knows nothing of LibTorch, so that it can be fuzzed alone.
#pragma once

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace clipsweep {

struct SafetensorsEntry {
  std::string dtype;  // "F32", ..
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0,
                end = 0;  // offsets into the data part, end - begin = bytes of the tensor
};

struct SafetensorsHeader {
  std::map<std::string, SafetensorsEntry> entries;
  std::map<std::string, std::string> metadata;
  std::size_t data_begin = 0;  // offset of the data part in the file
};

// What is wrong with the file; the caller knows its path.
class SafetensorsError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The file ends before what its header promises.
class SafetensorsCut : public SafetensorsError {
 public:
  SafetensorsCut(std::uint64_t has_bytes, std::uint64_t whole_bytes)
      : SafetensorsError("it is cut short"), has(has_bytes), whole(whole_bytes) {}
  std::uint64_t has, whole;  // bytes of the file, and of the whole one as far as the header tells
};

// A name from a file as it may be shown: at most 120 characters of printable ASCII.
std::string ShownName(const std::string& name);

// `file`: the whole file. Throws SafetensorsError.
SafetensorsHeader ParseSafetensors(std::string_view file);

}  // namespace clipsweep
