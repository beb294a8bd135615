#include "extract/checkpoints/safetensors_header.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <set>

#include "common/disk/json_reader.h"

namespace clipsweep {
namespace {

using Json = nlohmann::json;
constexpr std::uint64_t kMaxHeader = 100'000'000;  // the format's own limit

// Bytes of one value, 0 for a type unknown here.
std::uint64_t SizeOf(const std::string& dtype) {
  static const std::map<std::string, std::uint64_t> kSizes = {
      {"F64", 8},     {"F32", 4},     {"F16", 2},         {"BF16", 2},       {"I64", 8},
      {"U64", 8},     {"I32", 4},     {"U32", 4},         {"I16", 2},        {"U16", 2},
      {"I8", 1},      {"U8", 1},      {"BOOL", 1},        {"C64", 8},        {"F8_E4M3", 1},
      {"F8_E5M2", 1}, {"F8_E8M0", 1}, {"F8_E4M3FNUZ", 1}, {"F8_E5M2FNUZ", 1}};
  const auto found = kSizes.find(dtype);
  return found == kSizes.end() ? 0 : found->second;
}

bool IsEntry(const Json& value) {
  const auto is_unsigned = [](const Json& v) { return v.is_number_unsigned(); };
  return value.is_object() && value.contains("dtype") && value["dtype"].is_string() &&
         value.contains("shape") && value["shape"].is_array() && value.contains("data_offsets") &&
         value["data_offsets"].is_array() && value["data_offsets"].size() == 2 &&
         std::all_of(value["shape"].begin(), value["shape"].end(), is_unsigned) &&
         std::all_of(value["data_offsets"].begin(), value["data_offsets"].end(), is_unsigned);
}

SafetensorsEntry ParseEntry(const std::string& name, const Json& value, std::uint64_t data_bytes) {
  const std::string shown = ShownName(name);
  if (!IsEntry(value)) throw SafetensorsError(fmt::format("entry '{}' is malformed", shown));
  SafetensorsEntry entry;
  entry.dtype = value["dtype"].get<std::string>();
  entry.begin = value["data_offsets"][0].get<std::uint64_t>();
  entry.end = value["data_offsets"][1].get<std::uint64_t>();
  std::uint64_t bytes = SizeOf(entry.dtype);
  if (bytes == 0) {
    throw SafetensorsError(
        fmt::format("tensor '{}' has unknown dtype {}", shown, ShownName(entry.dtype)));
  }
  bool empty = false;
  for (const Json& side : value["shape"]) {
    const auto length = side.get<std::uint64_t>();
    empty = empty || length == 0;
    if (length > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) ||
        (!empty && bytes > data_bytes / length)) {
      throw SafetensorsError(fmt::format("tensor '{}' is larger than the file", shown));
    }
    bytes *= empty ? 1 : length;
    entry.shape.push_back(static_cast<std::int64_t>(length));
  }
  if (empty) bytes = 0;
  if (entry.begin > entry.end || entry.end > data_bytes || entry.end - entry.begin != bytes) {
    throw SafetensorsError(
        fmt::format("tensor '{}' has offsets that do not fit its shape or the file", shown));
  }
  return entry;
}

void RefuseOverlap(const std::map<std::string, SafetensorsEntry>& entries) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
  for (const auto& [name, entry] : entries) {
    if (entry.end > entry.begin) ranges.emplace_back(entry.begin, entry.end);
  }
  std::sort(ranges.begin(), ranges.end());
  for (std::size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i].first < ranges[i - 1].second) throw SafetensorsError("two tensors overlap");
  }
}

// How far the tensors reach, by what entries say, before any of it is believed.
std::uint64_t Reach(const Json& json) {
  std::uint64_t reach = 0;
  for (const auto& [name, value] : json.items()) {
    if (name != "__metadata__" && IsEntry(value)) {
      reach = std::max(reach, value["data_offsets"][1].get<std::uint64_t>());
    }
  }
  return reach;
}

}  // namespace

std::string ShownName(const std::string& name) {
  std::string shown;
  for (const char c : name.substr(0, 120)) shown += c >= ' ' && c <= '~' ? c : '?';
  return shown;
}

SafetensorsHeader ParseSafetensors(std::string_view file) {
  std::uint64_t length = 0;
  if (file.size() <= sizeof length) throw SafetensorsError("it is shorter than a header");
  std::memcpy(&length, file.data(), sizeof length);
  if (length > kMaxHeader) throw SafetensorsError("its header is longer than the format allows");
  if (length > file.size() - sizeof length) {
    throw SafetensorsCut(file.size(), sizeof length + length);
  }
  SafetensorsHeader header;
  header.data_begin = sizeof length + length;
  const std::uint64_t data_bytes = file.size() - header.data_begin;
  // Only objects at the depth the format needs.
  constexpr JsonLimits kLimits{.levels = 4};
  std::set<std::string> seen;
  const auto watch = [&](int depth, const std::string& key) {
    if (depth == 1 && !seen.insert(key).second) {
      throw SafetensorsError(fmt::format("its header lists tensor '{}' twice", ShownName(key)));
    }
  };
  const std::string_view text = file.substr(sizeof length, length);
  const auto [json, fault, repeated] = ParseJson<Json>(text, kLimits, watch);
  if (fault == JsonFault::kTooDeep) throw SafetensorsError("its header is nested too deep");
  if (fault == JsonFault::kTooMany) {
    throw SafetensorsError("its header " + JsonFaultText(fault, kLimits));
  }
  if (!json.is_object()) throw SafetensorsError("its header is not JSON");
  constexpr std::uint64_t kLargestFile = std::uint64_t{1} << 50;
  const std::uint64_t reach = Reach(json);
  if (reach > data_bytes && reach < kLargestFile) {
    throw SafetensorsCut(file.size(), header.data_begin + reach);
  }
  for (const auto& [name, value] : json.items()) {
    if (name != "__metadata__") {
      header.entries[name] = ParseEntry(name, value, data_bytes);
      continue;
    }
    if (!value.is_object()) throw SafetensorsError("__metadata__ is not an object");
    for (const auto& [key, content] : value.items()) {
      if (content.is_string()) header.metadata[key] = content.get<std::string>();
    }
  }
  RefuseOverlap(header.entries);
  if (reach < data_bytes) {
    throw SafetensorsError(fmt::format(
        "{} bytes follow its last tensor, as after a botched download", data_bytes - reach));
  }
  return header;
}

}  // namespace clipsweep
