// Weights in a TorchScript archive, the form in which OpenAI published CLIP (RN50.pt, ..).
#pragma once

#include <map>

#include "extract/checkpoints/weights.h"

namespace clipsweep {

class TorchArchive final : public Weights {
 public:
  // Opens the archive with LibTorch's own loader, which may run code that is in it: call it for
  // trusted files only. Throws InputError for an archive that LibTorch cannot open.
  explicit TorchArchive(const std::filesystem::path& path);

  bool Has(const std::string& name) const override { return tensors_.count(name) > 0; }
  std::vector<std::string> Names() const override;
  const std::vector<std::int64_t>& Shape(const std::string& name) const override;
  at::Tensor Load(const std::string& name) const override;
  std::string Type(const std::string& name) const override;

 private:
  struct Entry {
    at::Tensor tensor;
    std::vector<std::int64_t> shape;
  };
  const Entry& Find(const std::string& name) const;

  std::filesystem::path path_;
  std::map<std::string, Entry> tensors_;
};

}  // namespace clipsweep
