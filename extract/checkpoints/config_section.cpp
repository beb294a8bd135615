#include "extract/checkpoints/config_section.h"

#include <fmt/core.h>

#include "common/disk/atomic_file.h"
#include "common/disk/json_reader.h"
#include "common/process/error.h"
#include "common/process/log.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
constexpr std::size_t kMaxConfigBytes = std::size_t{1} << 20;
constexpr int kLargest = 1'000'000;

bool IsSize(const Json& value) {
  return value.is_number_integer() && value >= 1 && value <= kLargest;
}

}  // namespace

void ConfigSection::Refuse(const std::string& key, const std::string& what) const {
  throw InputError(fmt::format("{}: {} {}", Printable(source), Printable(key), what));
}

bool ConfigSection::Has(const std::string& key) const {
  return json.contains(key) && !json[key].is_null() && json[key] != Json(false);
}

void ConfigSection::ExpectNotFalse(const std::string& key) const {
  if (!json.contains(key) || json[key].is_null() || json[key] == Json(true)) return;
  Refuse(key, fmt::format("is {}; clipsweep computes true only", Printable(json[key].dump())));
}

std::optional<int> ConfigSection::Size(const std::string& key, bool square) const {
  if (!Has(key)) return std::nullopt;
  Json value = json[key];
  if (square && value.is_array() && value.size() == 2 && value[0] == value[1]) {
    value = Json(value[0]);
  }
  if (!IsSize(value)) {
    Refuse(key, fmt::format("is {}, one positive number is needed",
                            Printable(json[key].dump().substr(0, 100))));
  }
  return value.get<int>();
}

int ConfigSection::Positive(const std::string& key, int otherwise) const {
  return Size(key, /*square=*/false).value_or(otherwise);
}

ConfigSection ConfigSection::Sub(const std::string& key) const {
  if (!Has(key)) return {source + " " + key};
  if (!json[key].is_object()) Refuse(key, "is not an object");
  return {source + " " + key, json[key]};
}

void ConfigSection::Expect(const std::string& key, const Json& wanted) const {
  if (Has(key) && json[key] != wanted) {
    Refuse(key, fmt::format("is {}; clipsweep computes {} only",
                            Printable(json[key].dump().substr(0, 100)), wanted.dump()));
  }
}

void ConfigSection::OnlyThese(const std::set<std::string>& known) const {
  for (const auto& item : json.items()) {
    if (Has(item.key()) && known.count(item.key()) == 0) {
      Refuse(item.key(), "is a setting that clipsweep does not know; this model cannot be used");
    }
  }
}

std::optional<std::array<float, 3>> ConfigSection::Colour(const std::string& key) const {
  if (!Has(key)) return std::nullopt;
  const Json& value = json[key];
  std::array<float, 3> colour{};
  if (!value.is_array() || value.size() != 3) Refuse(key, "is not three numbers");
  for (std::size_t c = 0; c < 3; ++c) {
    if (!value[c].is_number()) Refuse(key, "is not three numbers");
    colour[c] = value[c].get<float>();
    if (!(colour[c] > 0 && colour[c] < 10)) Refuse(key, "is out of range");
  }
  return colour;
}

// Shallow by far; a text of brackets alone would exhaust the stack where values are copied.
ConfigSection ParseConfigSection(const std::string& source, const std::string& text) {
  constexpr JsonLimits kLimits{.levels = 16};
  if (text.size() > kMaxConfigBytes) throw InputError(source + ": is too long for a configuration");
  auto [json, fault, repeated] = ParseJson<Json>(text, kLimits);
  if (fault == JsonFault::kTooDeep) {
    throw InputError(source + ": is nested too deep; mend or remove it");
  }
  ConfigSection section{source, std::move(json)};
  if (!section.json.is_object()) {
    throw InputError(source + ": is not JSON; mend or remove it");
  }
  return section;
}

std::optional<ConfigSection> ReadConfigBeside(const fs::path& checkpoint, const char* name) {
  const fs::path beside = checkpoint.parent_path() / name;
  std::error_code code;
  if (!fs::is_regular_file(beside, code)) return std::nullopt;
  return ParseConfigSection(beside.string(), ReadFile(beside, kMaxConfigBytes));
}

}  // namespace clipsweep
