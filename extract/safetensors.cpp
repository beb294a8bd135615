#include "extract/safetensors.h"

#include <ATen/ATen.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>

#include "common/error.h"
#include "common/log.h"

namespace clipsweep {
namespace {

using Json = nlohmann::json;
constexpr std::uint64_t kMaxHeader = 100'000'000;  // the format's own limit

std::optional<at::ScalarType> TypeOf(const std::string& dtype) {
  static const std::map<std::string, at::ScalarType> kTypes = {
      {"F64", at::kDouble}, {"F32", at::kFloat}, {"F16", at::kHalf},  {"BF16", at::kBFloat16},
      {"I64", at::kLong},   {"I32", at::kInt},   {"I16", at::kShort}, {"I8", at::kChar},
      {"U8", at::kByte},    {"BOOL", at::kBool}};
  const auto found = kTypes.find(dtype);
  if (found == kTypes.end()) return std::nullopt;
  return found->second;
}

}  // namespace

Safetensors::Safetensors(const std::filesystem::path& path) : path_(path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat info {};
  if (fd < 0 || ::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    if (fd >= 0) ::close(fd);
    throw InputError(fmt::format("{}: cannot be opened as a file; check --model", path.string()));
  }
  map_bytes_ = static_cast<std::size_t>(info.st_size);
  if (map_bytes_ > 8) map_ = ::mmap(nullptr, map_bytes_, PROT_READ, MAP_PRIVATE, fd, 0);
  ::close(fd);
  const auto bad = [&](const std::string& what) {
    return InputError(fmt::format("{}: not a safetensors checkpoint: {}", path.string(), what));
  };
  if (map_ == nullptr || map_ == MAP_FAILED) {
    map_ = nullptr;
    throw bad("it is shorter than a header");
  }
  try {
    std::uint64_t length = 0;
    std::memcpy(&length, map_, 8);
    if (length > kMaxHeader || length > map_bytes_ - 8)
      throw bad("its header is longer than the file");
    const char* start = static_cast<const char*>(map_) + 8;
    data_ = start + length;
    Parse(std::string(start, length), map_bytes_ - 8 - length);
  } catch (...) {
    ::munmap(map_, map_bytes_);
    throw;
  }
}

Safetensors::~Safetensors() { ::munmap(map_, map_bytes_); }

void Safetensors::Parse(const std::string& text, std::uint64_t data_bytes) {
  const auto bad = [&](const std::string& what) {
    return InputError(fmt::format("{}: not a safetensors checkpoint: {}", path_.string(), what));
  };
  const Json header = Json::parse(text, nullptr, false);
  if (!header.is_object()) throw bad("its header is not JSON");
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
  for (const auto& [name, value] : header.items()) {
    if (name == "__metadata__") {
      if (!value.is_object()) throw bad("__metadata__ is not an object");
      for (const auto& [key, text_value] : value.items()) {
        if (text_value.is_string()) metadata_[key] = text_value.get<std::string>();
      }
      continue;
    }
    const std::string shown = Printable(name);
    const auto is_unsigned = [](const Json& v) { return v.is_number_unsigned(); };
    if (!value.is_object() || !value.contains("dtype") || !value["dtype"].is_string() ||
        !value.contains("shape") || !value["shape"].is_array() || !value.contains("data_offsets") ||
        !value["data_offsets"].is_array() || value["data_offsets"].size() != 2 ||
        !std::all_of(value["shape"].begin(), value["shape"].end(), is_unsigned) ||
        !std::all_of(value["data_offsets"].begin(), value["data_offsets"].end(), is_unsigned)) {
      throw bad(fmt::format("entry '{}' is malformed", shown));
    }
    Entry entry;
    entry.dtype = value["dtype"].get<std::string>();
    entry.begin = value["data_offsets"][0].get<std::uint64_t>();
    entry.end = value["data_offsets"][1].get<std::uint64_t>();
    const auto type = TypeOf(entry.dtype);
    if (!type)
      throw bad(fmt::format("tensor '{}' has unknown dtype {}", shown, Printable(entry.dtype)));
    std::uint64_t bytes = at::elementSize(*type);
    for (const Json& side : value["shape"]) {
      const auto length = side.get<std::uint64_t>();
      if (length != 0 && bytes > data_bytes / length) {
        throw bad(fmt::format("tensor '{}' is larger than the file", shown));
      }
      bytes *= length;
      entry.shape.push_back(static_cast<std::int64_t>(length));
    }
    if (entry.begin > entry.end || entry.end > data_bytes || entry.end - entry.begin != bytes) {
      throw bad(
          fmt::format("tensor '{}' has offsets that do not fit its shape or the file", shown));
    }
    if (bytes > 0) ranges.emplace_back(entry.begin, entry.end);
    entries_[name] = std::move(entry);
  }
  std::sort(ranges.begin(), ranges.end());
  for (std::size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i].first < ranges[i - 1].second) throw bad("two tensors overlap");
  }
}

const Safetensors::Entry& Safetensors::Find(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) {
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
  for (const auto& entry : entries_) names.push_back(entry.first);
  return names;
}

at::Tensor Safetensors::Load(const std::string& name) const {
  const Entry& entry = Find(name);
  const at::ScalarType type = *TypeOf(entry.dtype);
  if (!at::isFloatingType(type)) {
    throw InputError(fmt::format("{}: tensor '{}' is {}, weights must be floating point",
                                 path_.string(), Printable(name), entry.dtype));
  }
  at::Tensor raw = at::empty(entry.shape, at::TensorOptions().dtype(type));
  if (raw.numel() > 0) std::memcpy(raw.data_ptr(), data_ + entry.begin, entry.end - entry.begin);
  return raw.to(at::kFloat);
}

std::string Safetensors::Metadata(const std::string& key) const {
  const auto found = metadata_.find(key);
  return found == metadata_.end() ? "" : found->second;
}

}  // namespace clipsweep
