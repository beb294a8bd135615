#include "launch/records/json_file.h"

#include "common/disk/json_reader.h"
#include "common/disk/sha256.h"
#include "common/disk/text_input.h"

namespace clipsweep {
namespace {

const std::string kNoHash(64, '0');

}  // namespace

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

std::string SealedJson(Json json) {
  json["sha256"] = kNoHash;
  std::string text = json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
  text.replace(text.find(kNoHash), kNoHash.size(), Sha256Hex(text));
  return text;
}

void CheckJsonSeal(const std::filesystem::path& path, std::string text, const Json& json,
                   const std::string& remedy) {
  const auto found = json.find("sha256");
  const std::string hash =
      found != json.end() && found->is_string() ? found->get<std::string>() : "";
  const std::size_t at = text.find("\"" + hash + "\"");
  if (hash.size() == kNoHash.size() && at != std::string::npos) {
    text.replace(at + 1, hash.size(), kNoHash);
  }
  if (Sha256Hex(text) == hash) return;
  throw InputError(
      fmt::format("{}: was changed after it was written (its SHA-256 does not fit); {}",
                  path.string(), remedy));
}

}  // namespace clipsweep
