#include "common/disk/json_reader.h"

#include <fmt/core.h>

#include <map>
#include <type_traits>
#include <utility>
#include <vector>

namespace clipsweep {
namespace {

// Takes nlohmann's events. What is open stands on a stack of its own and becomes a value once it
// is complete: objects that keep their order would copy all their values whenever they grow, and
// look through all their keys for each further one.
template <typename Json>
class Builder {
 public:
  Builder(const JsonLimits& limits, const SeeJsonKey& see_key)
      : limits_(limits), see_key_(see_key) {}

  ParsedJson<Json> Take(bool complete) {
    if (!complete && parsed_.fault == JsonFault::kNone) parsed_.fault = JsonFault::kNotJson;
    if (!complete) parsed_.json = nullptr;
    return std::move(parsed_);
  }

  bool null() { return Counted() && Add(nullptr); }
  bool boolean(bool value) { return Counted() && Add(value); }
  bool number_integer(typename Json::number_integer_t value) { return Counted() && Add(value); }
  bool number_unsigned(typename Json::number_unsigned_t value) { return Counted() && Add(value); }
  bool number_float(typename Json::number_float_t value, const std::string&) {
    return Counted() && Add(value);
  }
  bool string(std::string& value) { return Counted() && Add(std::move(value)); }
  bool binary(typename Json::binary_t&) { return false; }  // no JSON text has it

  bool start_object(std::size_t) { return Open(); }
  bool start_array(std::size_t) { return Open(); }

  bool key(std::string& name) {
    if (!Counted()) return false;
    if (see_key_) see_key_(static_cast<int>(open_.size()), name);
    Part& part = open_.back();
    const auto [place, fresh] = part.places.try_emplace(std::move(name), part.values.size());
    if (fresh) {
      part.order.push_back(place);
      part.values.emplace_back();
    } else if (parsed_.repeated.empty()) {
      parsed_.repeated = place->first;
    }
    part.next = place->second;
    part.keyed = true;
    return true;
  }

  bool end_object() {
    typename Json::object_t object;
    Part& part = open_.back();
    if constexpr (std::is_same_v<Json, nlohmann::ordered_json>) object.reserve(part.values.size());
    for (std::size_t i = 0; i < part.values.size(); ++i) {
      auto node = part.places.extract(part.order[i]);
      if constexpr (std::is_same_v<Json, nlohmann::ordered_json>) {
        using Members = typename Json::object_t::Container;  // its own emplace looks for the key
        static_cast<Members&>(object).emplace_back(std::move(node.key()),
                                                   std::move(part.values[i]));
      } else {
        object.emplace(std::move(node.key()), std::move(part.values[i]));
      }
    }
    open_.pop_back();
    return Add(Json(std::move(object)));
  }

  bool end_array() {
    typename Json::array_t list = std::move(open_.back().values);
    open_.pop_back();
    return Add(Json(std::move(list)));
  }

  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) {
    return false;
  }

 private:
  struct Part {  // an open object or list
    std::vector<Json> values;
    std::map<std::string, std::size_t> places;  // of an object's values, by key
    std::vector<std::map<std::string, std::size_t>::iterator> order;
    std::size_t next = 0;
    bool keyed = false;
  };
  static_assert(std::is_nothrow_move_constructible_v<Part>);  // a copy's places are others

  bool Stop(JsonFault fault) {
    parsed_.fault = fault;
    return false;
  }

  bool Counted() { return ++count_ <= limits_.values || Stop(JsonFault::kTooMany); }

  bool Open() {
    if (!Counted()) return false;
    if (static_cast<int>(open_.size()) >= limits_.levels) return Stop(JsonFault::kTooDeep);
    open_.emplace_back();
    return true;
  }

  bool Add(Json value) {
    if (open_.empty()) {
      parsed_.json = std::move(value);
    } else if (Part& part = open_.back(); part.keyed) {
      part.values[part.next] = std::move(value);
    } else {
      part.values.push_back(std::move(value));
    }
    return true;
  }

  const JsonLimits& limits_;
  const SeeJsonKey& see_key_;
  std::size_t count_ = 0;
  std::vector<Part> open_;
  ParsedJson<Json> parsed_;
};

}  // namespace

template <typename Json>
ParsedJson<Json> ParseJson(std::string_view text, const JsonLimits& limits,
                           const SeeJsonKey& see_key) {
  Builder<Json> builder(limits, see_key);
  const bool complete = Json::sax_parse(text.begin(), text.end(), &builder);
  return builder.Take(complete);
}

template ParsedJson<nlohmann::json> ParseJson(std::string_view, const JsonLimits&,
                                              const SeeJsonKey&);
template ParsedJson<nlohmann::ordered_json> ParseJson(std::string_view, const JsonLimits&,
                                                      const SeeJsonKey&);

std::string JsonFaultText(JsonFault fault, const JsonLimits& limits) {
  switch (fault) {
    case JsonFault::kTooDeep:
      return fmt::format("is JSON nested deeper than {} levels", limits.levels);
    case JsonFault::kTooMany:
      return fmt::format("is JSON of more than {} values and keys", limits.values);
    default: return "is no JSON";
  }
}

}  // namespace clipsweep
