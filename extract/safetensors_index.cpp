#include "extract/safetensors_index.h"

#include <fmt/core.h>

#include <nlohmann/json.hpp>
#include <set>

#include "extract/safetensors_header.h"

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
  constexpr int kDeepest = 8;
  std::set<std::string> seen;
  bool in_map = false;
  const auto watch = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > kDeepest) throw SafetensorsError("it is nested too deep");
    if (event != Json::parse_event_t::key) return true;
    const auto key = parsed.get<std::string>();
    if (depth == 1) in_map = key == "weight_map";
    if (depth == 2 && in_map && !seen.insert(key).second) {
      throw SafetensorsError(fmt::format("its weight_map lists tensor '{}' twice", ShownName(key)));
    }
    return true;
  };
  const Json json = Json::parse(text.begin(), text.end(), watch, /*allow_exceptions=*/false);
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
