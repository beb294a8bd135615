#include "extract/checkpoints/safetensors_index.h"

#include <fmt/core.h>

#include <set>

#include "common/disk/json_reader.h"
#include "extract/checkpoints/safetensors_header.h"

namespace clipsweep {
namespace {

using Json = nlohmann::json;

void CheckFileName(const std::string& name) {
  constexpr std::size_t kLongest = 255;  // as file systems have it
  const bool plain = !name.empty() && name.size() <= kLongest && name != "." && name != ".." &&
                     name.find_first_of(std::string("/\\\0", 3)) == std::string::npos;
  if (plain) return;
  throw SafetensorsError(
      fmt::format("its weight_map names the file '{}'; shards are plain names beside the index",
                  ShownName(name)));
}

}  // namespace

std::map<std::string, std::string> ParseSafetensorsIndex(std::string_view text) {
  constexpr JsonLimits kLimits{.levels = 8};
  std::set<std::string> seen;
  bool in_map = false;
  const auto watch = [&](int depth, const std::string& key) {
    if (depth == 1) in_map = key == "weight_map";
    if (depth == 2 && in_map && !seen.insert(key).second) {
      throw SafetensorsError(fmt::format("its weight_map lists tensor '{}' twice", ShownName(key)));
    }
  };
  const auto [json, fault, repeated] = ParseJson<Json>(text, kLimits, watch);
  if (fault == JsonFault::kTooDeep) throw SafetensorsError("it is nested too deep");
  if (fault == JsonFault::kTooMany) throw SafetensorsError("it " + JsonFaultText(fault, kLimits));
  if (!json.is_object()) throw SafetensorsError("it is not JSON");
  if (!json.contains("weight_map") || !json["weight_map"].is_object() ||
      json["weight_map"].empty()) {
    throw SafetensorsError("it has no weight_map");
  }
  std::map<std::string, std::string> files;
  for (const auto& [tensor, file] : json["weight_map"].items()) {
    if (!file.is_string()) {
      throw SafetensorsError(
          fmt::format("its weight_map has no file name for tensor '{}'", ShownName(tensor)));
    }
    CheckFileName(file.get<std::string>());
    files[tensor] = file.get<std::string>();
  }
  return files;
}

}  // namespace clipsweep
