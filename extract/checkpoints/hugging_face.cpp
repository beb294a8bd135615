#include "extract/checkpoints/hugging_face.h"

#include <fmt/core.h>

#include <set>

#include "common/compute/tensors.h"
#include "common/process/error.h"
#include "common/process/log.h"

namespace clipsweep {
namespace {

constexpr const char* kTokenEmbedding = "text_model.embeddings.token_embedding.weight";
constexpr const char* kPatchEmbedding = "vision_model.embeddings.patch_embedding.weight";

// Tensors that keep their shape. "pre_layrnorm" is spelt so there.
const std::vector<std::pair<std::string, std::string>>& PlainNames() {
  static const std::vector<std::pair<std::string, std::string>> names = {
      {kTokenEmbedding, "token_embedding.weight"},
      {"text_model.embeddings.position_embedding.weight", "positional_embedding"},
      {"text_model.final_layer_norm.weight", "ln_final.weight"},
      {"text_model.final_layer_norm.bias", "ln_final.bias"},
      {"vision_model.embeddings.class_embedding", "visual.class_embedding"},
      {kPatchEmbedding, "visual.conv1.weight"},
      {"vision_model.embeddings.position_embedding.weight", "visual.positional_embedding"},
      {"vision_model.pre_layrnorm.weight", "visual.ln_pre.weight"},
      {"vision_model.pre_layrnorm.bias", "visual.ln_pre.bias"},
      {"vision_model.post_layernorm.weight", "visual.ln_post.weight"},
      {"vision_model.post_layernorm.bias", "visual.ln_post.bias"},
      {"logit_scale", "logit_scale"}};
  return names;
}

const std::vector<std::pair<std::string, std::string>>& BlockNames() {
  static const std::vector<std::pair<std::string, std::string>> names = {
      {"layer_norm1", "ln_1"},
      {"layer_norm2", "ln_2"},
      {"self_attn.out_proj", "attn.out_proj"},
      {"mlp.fc1", "mlp.c_fc"},
      {"mlp.fc2", "mlp.c_proj"}};
  return names;
}

}  // namespace

bool HuggingFaceWeights::Recognises(const Weights& inner) {
  return inner.Has(kTokenEmbedding) || inner.Has(kPatchEmbedding);
}

HuggingFaceWeights::HuggingFaceWeights(std::unique_ptr<Weights> inner) : inner_(std::move(inner)) {
  for (const auto& [from, to] : PlainNames()) Add(to, {from});
  Add("text_projection", {"text_projection.weight"}, /*transposed=*/true);
  Add("visual.proj", {"visual_projection.weight"}, /*transposed=*/true);
  AddTower("text_model.encoder.layers.", "transformer.resblocks.");
  AddTower("vision_model.encoder.layers.", "visual.transformer.resblocks.");
  // What is left keeps its name, so that the checkpoint's check can name it.
  std::set<std::string> used;
  for (const auto& entry : parts_) {
    used.insert(entry.second.sources.begin(), entry.second.sources.end());
  }
  for (const std::string& name : inner_->Names()) {
    if (used.count(name) == 0 && parts_.count(name) == 0) Add(name, {name});
  }
}

void HuggingFaceWeights::AddTower(const std::string& from, const std::string& to) {
  for (int layer = 0; inner_->Has(fmt::format("{}{}.layer_norm1.weight", from, layer)); ++layer) {
    const std::string source = fmt::format("{}{}.", from, layer);
    const std::string target = fmt::format("{}{}.", to, layer);
    for (const char* kind : {"weight", "bias"}) {
      for (const auto& [theirs, ours] : BlockNames()) {
        Add(fmt::format("{}{}.{}", target, ours, kind),
            {fmt::format("{}{}.{}", source, theirs, kind)});
      }
      Add(fmt::format("{}attn.in_proj_{}", target, kind),
          {fmt::format("{}self_attn.q_proj.{}", source, kind),
           fmt::format("{}self_attn.k_proj.{}", source, kind),
           fmt::format("{}self_attn.v_proj.{}", source, kind)});
    }
  }
}

// A tensor whose sources are not all there, or do not fit each other, is left out: it is then
// missing.
void HuggingFaceWeights::Add(const std::string& name, std::vector<std::string> sources,
                             bool transposed) {
  Parts parts;
  for (const std::string& source : sources) {
    if (!inner_->Has(source)) return;
    if (inner_->Shape(source) != inner_->Shape(sources[0])) return;
  }
  parts.shape = inner_->Shape(sources[0]);
  if (sources.size() > 1) {
    constexpr std::int64_t kMostRows = std::int64_t{1} << 32;
    if (parts.shape.empty() || parts.shape[0] > kMostRows) return;
    parts.shape[0] *= static_cast<std::int64_t>(sources.size());
  }
  if (transposed) {
    if (parts.shape.size() != 2) return;
    std::swap(parts.shape[0], parts.shape[1]);
  }
  parts.sources = std::move(sources);
  parts.transposed = transposed;
  parts_[name] = std::move(parts);
}

const HuggingFaceWeights::Parts& HuggingFaceWeights::Find(const std::string& name) const {
  const auto found = parts_.find(name);
  if (found == parts_.end()) {
    throw InputError(
        fmt::format("the checkpoint lacks what open_clip calls '{}'; is it a whole CLIPModel?",
                    Printable(name)));
  }
  return found->second;
}

std::vector<std::string> HuggingFaceWeights::Names() const {
  std::vector<std::string> names;
  for (const auto& entry : parts_) names.push_back(entry.first);
  return names;
}

const std::vector<std::int64_t>& HuggingFaceWeights::Shape(const std::string& name) const {
  return Find(name).shape;
}

std::string HuggingFaceWeights::Type(const std::string& name) const {
  const Parts& parts = Find(name);
  for (const std::string& source : parts.sources) {
    if (inner_->Type(source) != inner_->Type(parts.sources[0])) return inner_->Type(source);
  }
  return inner_->Type(parts.sources[0]);
}

at::Tensor HuggingFaceWeights::Load(const std::string& name) const {
  const Parts& parts = Find(name);
  std::vector<at::Tensor> tensors;
  for (const std::string& source : parts.sources) tensors.push_back(inner_->Load(source));
  at::Tensor joined = tensors.size() == 1 ? tensors[0] : at::cat(tensors);
  return parts.transposed ? joined.t().contiguous() : joined;
}

}  // namespace clipsweep
