#include "launch/json_file.h"

#include <algorithm>

#include "common/text_input.h"

namespace clipsweep {
namespace {

constexpr int kMostLevels = 64;

int DeepestLevel(const std::string& text) {
  int level = 0, deepest = 0;
  bool in_string = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (in_string) {
      if (c == '\\') ++at;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      deepest = std::max(deepest, ++level);
    } else if (c == ']' || c == '}') {
      --level;
    }
  }
  return deepest;
}

}  // namespace

Json ParseJsonObject(const std::filesystem::path& path, const std::string& text) {
  if (DeepestLevel(text) > kMostLevels) {
    throw InputError(
        fmt::format("{}: is JSON nested deeper than {} levels", path.string(), kMostLevels));
  }
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded() || !json.is_object()) {
    throw InputError(fmt::format("{}: is not a JSON object; make it again", path.string()));
  }
  return json;
}

Json ReadJsonObject(const std::filesystem::path& path, std::size_t limit) {
  return ParseJsonObject(path, ReadTextInput(path, limit));
}

}  // namespace clipsweep
