#include "launch/json_file.h"

#include "common/json_reader.h"
#include "common/text_input.h"

namespace clipsweep {

Json ParseJsonObject(const std::filesystem::path& path, const std::string& text) {
  auto [json, fault, repeated] = ParseJson<Json>(text);
  if (fault == JsonFault::kTooDeep || fault == JsonFault::kTooMany) {
    throw InputError(fmt::format("{}: {}; make it again", path.string(), JsonFaultText(fault)));
  }
  if (!json.is_object()) {
    throw InputError(fmt::format("{}: is not a JSON object; make it again", path.string()));
  }
  return std::move(json);
}

Json ReadJsonObject(const std::filesystem::path& path, std::size_t limit) {
  return ParseJsonObject(path, ReadTextInput(path, limit));
}

}  // namespace clipsweep
