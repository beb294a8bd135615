// Weights in several safetensors files with an index (model.safetensors.index.json), as large
// models are stored on the hubs. Each file is mapped into memory, as one alone is.
#pragma once

#include <map>
#include <memory>

#include "extract/checkpoints/safetensors.h"

namespace clipsweep {

class ShardedSafetensors final : public Weights {
 public:
  // Opens all shards. Each tensor must be in the shard that the index names, in no other, and be
  // listed: so the shards alone decide what the model is. Throws InputError naming file and tensor.
  explicit ShardedSafetensors(const std::filesystem::path& index);

  bool Has(const std::string& name) const override { return shard_of_.count(name) > 0; }
  std::vector<std::string> Names() const override;
  const std::vector<std::int64_t>& Shape(const std::string& name) const override;
  at::Tensor Load(const std::string& name) const override;
  std::string Type(const std::string& name) const override;
  std::string Metadata(const std::string& key) const override;

 private:
  const Safetensors& Find(const std::string& name) const;

  std::filesystem::path path_;
  std::map<std::string, std::unique_ptr<Safetensors>> shards_;  // by file name
  std::map<std::string, const Safetensors*> shard_of_;          // by tensor
};

// SHA-256 of the text that sha256sum prints for the shards in the order of their names (bytes): a
// line of hash, two spaces and file name each. Throws InputError naming a missing shard.
std::string ShardsSha256(const std::filesystem::path& index);

}  // namespace clipsweep
