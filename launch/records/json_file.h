// JSON files that others may have written.
#pragma once

#include <fmt/core.h>

#include <cstddef>
#include <filesystem>
#include <string>

#include "common/process/error.h"
#include "launch/options/command.h"

namespace clipsweep {

// The object in `text`, which is the content of `path`. Throws InputError naming the file when it
// is no JSON object or beyond the limits of common/disk/json_reader.h.
Json ParseJsonObject(const std::filesystem::path& path, const std::string& text);

// Reads and parses; files over `limit` bytes are refused.
Json ReadJsonObject(const std::filesystem::path& path, std::size_t limit = std::size_t{256} << 20);

// The text of `json` with a member sha256 last: the SHA-256 of that text with 64 zeros in its
// place.
std::string SealedJson(Json json);
// Holds `text`, whose object is `json`, against that member. Throws InputError naming the file when
// it has none, or was changed since; `remedy`: what to do then.
void CheckJsonSeal(const std::filesystem::path& path, std::string text, const Json& json,
                   const std::string& remedy);

// Calls `read`, which takes values out of JSON, and turns its complaints into one InputError that
// names the file.
template <typename Read>
auto ReadingJson(const std::filesystem::path& path, const Read& read) {
  try {
    return read();
  } catch (const Json::exception& error) {
    throw InputError(
        fmt::format("{}: is not what its schema says: {}", path.string(), error.what()));
  }
}

}  // namespace clipsweep
