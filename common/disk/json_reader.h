// The one reader of JSON that others may have written. It stops at the first value that is nested
// too deep or one too many, so that neither stack nor memory nor time depends on what a file holds.
#pragma once

#include <cstddef>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace clipsweep {

struct JsonLimits {
  int levels = 64;  // objects and lists inside one another: copying JSON recurses
  // Values and keys together, each of about a hundred bytes in memory.
  std::size_t values = 6'000'000;
};

enum class JsonFault { kNone, kNotJson, kTooDeep, kTooMany };

template <typename Json>
struct ParsedJson {
  Json json;  // null where there is a fault
  JsonFault fault = JsonFault::kNone;
  // The first key that stands twice in one object, "" for none. The later value counts.
  std::string repeated;
};

// Called with every key and with how many objects and lists are open around it, 1 in the outermost
// object. May throw.
using SeeJsonKey = std::function<void(int level, const std::string& key)>;

// `Json` is nlohmann::json or nlohmann::ordered_json.
template <typename Json>
ParsedJson<Json> ParseJson(std::string_view text, const JsonLimits& limits = {},
                           const SeeJsonKey& see_key = {});

// "is no JSON", "is JSON nested deeper than 64 levels", "is JSON of more than 6000000 values and
// keys".
std::string JsonFaultText(JsonFault fault, const JsonLimits& limits = {});

extern template ParsedJson<nlohmann::json> ParseJson(std::string_view, const JsonLimits&,
                                                     const SeeJsonKey&);
extern template ParsedJson<nlohmann::ordered_json> ParseJson(std::string_view, const JsonLimits&,
                                                             const SeeJsonKey&);

}  // namespace clipsweep
