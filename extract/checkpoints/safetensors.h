// Weights in a safetensors file, mapped into memory and copied out tensor by tensor.
#pragma once

#include "extract/checkpoints/safetensors_header.h"
#include "extract/checkpoints/weights.h"

namespace clipsweep {

class Safetensors final : public Weights {
 public:
  // Maps the file and checks its header. Throws InputError naming the file and the tensor.
  explicit Safetensors(const std::filesystem::path& path);
  ~Safetensors() override;
  Safetensors(const Safetensors&) = delete;
  Safetensors& operator=(const Safetensors&) = delete;

  bool Has(const std::string& name) const override { return header_.entries.count(name) > 0; }
  std::vector<std::string> Names() const override;
  const std::vector<std::int64_t>& Shape(const std::string& name) const override;
  at::Tensor Load(const std::string& name) const override;
  std::string Type(const std::string& name) const override { return Find(name).dtype; }
  std::string Metadata(const std::string& key) const override;

 private:
  const SafetensorsEntry& Find(const std::string& name) const;

  std::filesystem::path path_;
  SafetensorsHeader header_;
  void* map_ = nullptr;
  std::size_t map_bytes_ = 0;
};

}  // namespace clipsweep
