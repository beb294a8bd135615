#include "extract/checkpoints/wrapped_names.h"

#include <ATen/core/Tensor.h>
#include <fmt/core.h>

#include <set>
#include <string_view>

#include "common/process/error.h"
#include "common/process/log.h"

namespace clipsweep {

std::string Unwrapped(const std::string& name) {
  static const std::set<std::string_view> kLeading{"model", "clip", "clip_model", "net",
                                                   "state_dict"};
  static const std::set<std::string_view> kAnywhere{"module", "_orig_mod", "_forward_module",
                                                    "_fsdp_wrapped_module",
                                                    "_checkpoint_wrapped_module"};
  std::string rest;
  bool leading = true;
  for (std::size_t at = 0; at <= name.size();) {
    const std::size_t end = std::min(name.find('.', at), name.size());
    const std::string_view part = std::string_view(name).substr(at, end - at);
    at = end + 1;
    if (at <= name.size() && (kAnywhere.count(part) > 0 || (leading && kLeading.count(part) > 0))) {
      continue;
    }
    if (!leading) rest += '.';
    rest += part;
    leading = false;
  }
  return rest;
}

std::optional<std::string> WrapperOf(const Weights& weights) {
  for (const std::string& name : weights.Names()) {
    if (Unwrapped(name) != name) return Printable(name);
  }
  return std::nullopt;
}

std::vector<std::string> PrefixesOf(const Weights& weights) {
  // Hugging Face's names, whose ends are open_clip's, come first.
  constexpr std::string_view kMarks[] = {"text_model.embeddings.token_embedding.weight",
                                         "vision_model.embeddings.patch_embedding.weight",
                                         "token_embedding.weight", "visual.conv1.weight"};
  std::set<std::string> found;
  for (const std::string& name : weights.Names()) {
    for (const std::string_view mark : kMarks) {
      if (!name.ends_with(mark)) continue;
      const std::string prefix = name.substr(0, name.size() - mark.size());
      if (prefix.ends_with('.')) found.insert(prefix);
      break;
    }
  }
  return {found.begin(), found.end()};
}

UnwrappedWeights::UnwrappedWeights(std::unique_ptr<Weights> inner,
                                   const std::filesystem::path& path)
    : inner_(std::move(inner)) {
  for (const std::string& name : inner_->Names()) {
    const auto [before, first] = names_.emplace(Unwrapped(name), name);
    if (first) continue;
    throw InputError(fmt::format(
        "{}: tensors '{}' and '{}' are the same one but for their wrapping; save one of them",
        path.string(), Printable(before->second), Printable(name)));
  }
}

const std::string& UnwrappedWeights::Inner(const std::string& name) const {
  const auto found = names_.find(name);
  return found == names_.end() ? name : found->second;
}

std::vector<std::string> UnwrappedWeights::Names() const {
  std::vector<std::string> names;
  for (const auto& entry : names_) names.push_back(entry.first);
  return names;
}

const std::vector<std::int64_t>& UnwrappedWeights::Shape(const std::string& name) const {
  return inner_->Shape(Inner(name));
}

at::Tensor UnwrappedWeights::Load(const std::string& name) const {
  return inner_->Load(Inner(name));
}

std::string UnwrappedWeights::Type(const std::string& name) const {
  return inner_->Type(Inner(name));
}

}  // namespace clipsweep
