#include "extract/checkpoints/torch_archive.h"

#include <fmt/core.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include "common/compute/tensors.h"
#include "common/process/error.h"
#include "common/process/log.h"

namespace clipsweep {
TorchArchive::TorchArchive(const std::filesystem::path& path) : path_(path) {
  const auto keep = [&](const std::string& name, const at::Tensor& tensor) {
    tensors_[name] = {tensor, tensor.sizes().vec()};
  };
  try {
    const torch::jit::Module module = torch::jit::load(path.string(), at::Device(at::kCPU));
    for (const auto& parameter : module.named_parameters()) keep(parameter.name, parameter.value);
    for (const auto& buffer : module.named_buffers()) keep(buffer.name, buffer.value);
  } catch (const std::exception& error) {
    const std::string text = error.what();
    throw InputError(fmt::format("{}: LibTorch cannot open this archive: {}; fetch it again",
                                 path.string(), Printable(text.substr(0, text.find('\n')))));
  }
}

std::vector<std::string> TorchArchive::Names() const {
  std::vector<std::string> names;
  for (const auto& entry : tensors_) names.push_back(entry.first);
  return names;
}

const TorchArchive::Entry& TorchArchive::Find(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    throw InputError(fmt::format("{}: tensor '{}' is missing; is it a CLIP checkpoint?",
                                 path_.string(), Printable(name)));
  }
  return found->second;
}

const std::vector<std::int64_t>& TorchArchive::Shape(const std::string& name) const {
  return Find(name).shape;
}

std::string TorchArchive::Type(const std::string& name) const {
  const at::ScalarType type = Find(name).tensor.scalar_type();
  switch (type) {
    case at::kDouble: return "F64";
    case at::kFloat: return "F32";
    case at::kHalf: return "F16";
    case at::kBFloat16: return "BF16";
    default: return c10::toString(type);
  }
}

at::Tensor TorchArchive::Load(const std::string& name) const {
  const at::Tensor& tensor = Find(name).tensor;
  if (!tensor.is_floating_point()) {
    throw InputError(fmt::format("{}: tensor '{}' is not of a floating type, weights must be",
                                 path_.string(), Printable(name)));
  }
  return tensor.detach().to(at::kFloat).contiguous();
}

}  // namespace clipsweep
