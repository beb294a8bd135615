// Tensor names as training programs wrap them: "module.visual.conv1.weight" (DataParallel),
// "_orig_mod." (torch.compile), "model.", "clip." (a model within a model).
#pragma once

#include <map>
#include <memory>
#include <optional>

#include "extract/checkpoints/weights.h"

namespace clipsweep {

// The name without wrapping: "model", "clip", "clip_model" and the like are left off where they
// lead, names that frameworks insert wherever they stand.
std::string Unwrapped(const std::string& name);

// A wrapped name among these weights, for a message; nothing when none is.
std::optional<std::string> WrapperOf(const Weights& weights);

// What stands before the names of CLIP's own tensors, as 'student.'; more than one where there are
// several models, none where there is no such tensor. Call it where no name is CLIP's as it is.
std::vector<std::string> PrefixesOf(const Weights& weights);

class UnwrappedWeights final : public Weights {
 public:
  // Throws InputError when two names become one; `path` is for its message.
  UnwrappedWeights(std::unique_ptr<Weights> inner, const std::filesystem::path& path);

  bool Has(const std::string& name) const override { return names_.count(name) > 0; }
  std::vector<std::string> Names() const override;
  const std::vector<std::int64_t>& Shape(const std::string& name) const override;
  at::Tensor Load(const std::string& name) const override;
  std::string Type(const std::string& name) const override;
  std::string Metadata(const std::string& key) const override { return inner_->Metadata(key); }

 private:
  const std::string& Inner(const std::string& name) const;

  std::unique_ptr<Weights> inner_;
  std::map<std::string, std::string> names_;  // unwrapped -> in the file
};

}  // namespace clipsweep
