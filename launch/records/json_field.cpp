#include "launch/records/json_field.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "common/process/error.h"
#include "common/process/log.h"

namespace clipsweep {

void JsonField::Refuse(const std::string& what) const {
  throw InputError(fmt::format("{}: {} {}; run the experiment again", path_.string(),
                               place_.empty() ? "it" : "'" + Printable(place_) + "'", what));
}

JsonField JsonField::At(const std::string& key) const {
  if (!json_.is_object()) Refuse("is no object");
  const auto found = json_.find(key);
  if (found == json_.end()) Refuse(fmt::format("has no '{}'", key));
  return {path_, *found, place_.empty() ? key : place_ + "." + key};
}

std::vector<JsonField> JsonField::List() const {
  if (!json_.is_array()) Refuse("is no list");
  std::vector<JsonField> list;
  list.reserve(json_.size());
  for (const Json& value : json_) {
    list.push_back(JsonField(path_, value, fmt::format("{}[{}]", place_, list.size())));
  }
  return list;
}

std::vector<std::pair<std::string, JsonField>> JsonField::Members() const {
  if (!json_.is_object()) Refuse("is no object");
  std::vector<std::pair<std::string, JsonField>> members;
  for (const auto& [key, value] : json_.items()) {
    members.emplace_back(key, JsonField(path_, value, place_ + "." + key));
  }
  return members;
}

std::int64_t JsonField::Integer(std::int64_t least, std::int64_t most) const {
  const bool fits = json_.is_number_integer() &&
                    !(json_.is_number_unsigned() &&
                      json_.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX));
  const std::int64_t value = fits ? json_.get<std::int64_t>() : 0;
  if (least == most && (!fits || value != least))
    Refuse(fmt::format("is {}, not {}", json_.dump().substr(0, 40), least));
  if (!fits || value < least || value > most) {
    Refuse(
        fmt::format("is {}, not an integer of {} to {}", json_.dump().substr(0, 40), least, most));
  }
  return value;
}

double JsonField::Number(double least, double most) const {
  const double value = json_.is_number() ? json_.get<double>() : NAN;
  if (!(value >= least && value <= most)) {
    Refuse(fmt::format("is {}, not a number of {} to {}", json_.dump().substr(0, 40), least, most));
  }
  return value;
}

std::string JsonField::Text() const {
  if (!json_.is_string()) Refuse("is no text");
  return json_.get<std::string>();
}

std::string JsonField::NotEmpty() const {
  const std::string text = Text();
  if (text.empty()) Refuse("is empty");
  return text;
}

void JsonField::ExpectSha256() const {
  const std::string text = Text();
  if (text.size() != 64 || text.find_first_not_of("0123456789abcdef") != std::string::npos)
    Refuse("is not a SHA-256");
}

void JsonField::ExpectTrue() const {
  if (json_ != true) Refuse("is not true");
}

void JsonField::ExpectAbout(double value, const std::string& what) const {
  constexpr double kRounding = 1e-6;  // of sums in another order
  const double found = json_.is_number() ? json_.get<double>() : NAN;
  if (!(std::abs(found - value) <= kRounding * std::max(1.0, std::abs(value)))) {
    Refuse(fmt::format("is {}, but {} is {:.6g}", json_.dump().substr(0, 40), what, value));
  }
}

void JsonField::ExpectNull(const std::string& why) const {
  if (!json_.is_null()) Refuse(fmt::format("is {}, but {}", json_.dump().substr(0, 40), why));
}

}  // namespace clipsweep
