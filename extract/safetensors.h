// A bounded reader of safetensors files: 8 bytes of header length, a JSON header, raw little-endian
// data. Every length, offset, shape and overlap is checked before anything is read: files may be
// hostile.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace clipsweep {

class Safetensors {
 public:
  // Maps the file and checks its header. Throws InputError naming the file and the tensor.
  explicit Safetensors(const std::filesystem::path& path);
  ~Safetensors();
  Safetensors(const Safetensors&) = delete;
  Safetensors& operator=(const Safetensors&) = delete;

  bool Has(const std::string& name) const { return entries_.count(name) > 0; }
  const std::vector<std::int64_t>& Shape(const std::string& name) const;
  std::vector<std::string> Names() const;
  // A float32 copy, whatever of F64, F32, F16, BF16 is stored. Throws InputError on other types.
  at::Tensor Load(const std::string& name) const;
  // "" when the file's __metadata__ lacks the key.
  std::string Metadata(const std::string& key) const;
  const std::filesystem::path& path() const { return path_; }

 private:
  struct Entry {
    std::string dtype;
    std::vector<std::int64_t> shape;
    std::uint64_t begin = 0, end = 0;  // offsets into the data part
  };
  const Entry& Find(const std::string& name) const;
  void Parse(const std::string& header, std::uint64_t data_bytes);

  std::filesystem::path path_;
  std::map<std::string, Entry> entries_;
  std::map<std::string, std::string> metadata_;
  void* map_ = nullptr;
  std::size_t map_bytes_ = 0;
  const char* data_ = nullptr;
};

}  // namespace clipsweep
