// A checkpoint of Hugging Face's CLIPModel seen under open_clip's names: queries, keys and values
// are joined into one projection, projections are transposed.
#pragma once

#include <map>

#include "extract/checkpoints/weights.h"

namespace clipsweep {

class HuggingFaceWeights final : public Weights {
 public:
  // Whether `inner` has the tensor names of CLIPModel, or of one of its two encoders.
  static bool Recognises(const Weights& inner);

  explicit HuggingFaceWeights(std::unique_ptr<Weights> inner);

  bool Has(const std::string& name) const override { return parts_.count(name) > 0; }
  std::vector<std::string> Names() const override;
  const std::vector<std::int64_t>& Shape(const std::string& name) const override;
  at::Tensor Load(const std::string& name) const override;
  std::string Type(const std::string& name) const override;

 private:
  // What one of our tensors is made of: its sources joined along the first axis, perhaps
  // transposed.
  struct Parts {
    std::vector<std::string> sources;
    bool transposed = false;
    std::vector<std::int64_t> shape;
  };
  void Add(const std::string& name, std::vector<std::string> sources, bool transposed = false);
  void AddTower(const std::string& from, const std::string& to);
  const Parts& Find(const std::string& name) const;

  std::unique_ptr<Weights> inner_;
  std::map<std::string, Parts> parts_;
};

}  // namespace clipsweep
