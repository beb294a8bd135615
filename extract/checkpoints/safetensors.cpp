#include "extract/checkpoints/safetensors.h"

#include <fmt/core.h>
#include <sys/mman.h>

#include <cstring>

#include "common/compute/tensors.h"
#include "common/disk/plain_file.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "extract/checkpoints/file_kind.h"

namespace clipsweep {
namespace {

// The floating types, which are what weights may be.
const std::map<std::string, at::ScalarType>& FloatTypes() {
  static const std::map<std::string, at::ScalarType> types = {
      {"F64", at::kDouble}, {"F32", at::kFloat}, {"F16", at::kHalf}, {"BF16", at::kBFloat16}};
  return types;
}

}  // namespace

Safetensors::Safetensors(const std::filesystem::path& path) : path_(path) {
  const PlainFile file(path);
  map_bytes_ = file.size();
  if (map_bytes_ > 0) map_ = ::mmap(nullptr, map_bytes_, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (map_ == MAP_FAILED) {
    throw InputError(fmt::format("{}: cannot be mapped into memory", path.string()));
  }
  try {
    header_ = ParseSafetensors({static_cast<const char*>(map_), map_bytes_});
  } catch (const SafetensorsCut& cut) {
    if (map_ != nullptr) ::munmap(map_, map_bytes_);
    throw InputError(fmt::format("{}: {}", path.string(), BrokenOff(cut.has, cut.whole)));
  } catch (const SafetensorsError& error) {
    if (map_ != nullptr) ::munmap(map_, map_bytes_);
    throw InputError(fmt::format("{}: not a safetensors checkpoint: {}; fetch it again",
                                 path.string(), error.what()));
  }
}

Safetensors::~Safetensors() { ::munmap(map_, map_bytes_); }

const SafetensorsEntry& Safetensors::Find(const std::string& name) const {
  const auto found = header_.entries.find(name);
  if (found == header_.entries.end()) {
    throw InputError(fmt::format("{}: tensor '{}' is missing; is it a CLIP checkpoint?",
                                 path_.string(), Printable(name)));
  }
  return found->second;
}

const std::vector<std::int64_t>& Safetensors::Shape(const std::string& name) const {
  return Find(name).shape;
}

std::vector<std::string> Safetensors::Names() const {
  std::vector<std::string> names;
  for (const auto& entry : header_.entries) names.push_back(entry.first);
  return names;
}

at::Tensor Safetensors::Load(const std::string& name) const {
  const SafetensorsEntry& entry = Find(name);
  const auto type = FloatTypes().find(entry.dtype);
  if (type == FloatTypes().end()) {
    throw InputError(fmt::format("{}: tensor '{}' is {}, weights must be F64, F32, F16 or BF16",
                                 path_.string(), Printable(name), entry.dtype));
  }
  at::Tensor raw = at::empty(entry.shape, at::TensorOptions().dtype(type->second));
  const char* data = static_cast<const char*>(map_) + header_.data_begin;
  if (raw.numel() > 0) std::memcpy(raw.data_ptr(), data + entry.begin, entry.end - entry.begin);
  return raw.to(at::kFloat);
}

std::string Safetensors::Metadata(const std::string& key) const {
  const auto found = header_.metadata.find(key);
  return found == header_.metadata.end() ? "" : found->second;
}

}  // namespace clipsweep
