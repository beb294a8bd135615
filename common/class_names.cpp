#include "common/class_names.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <set>
#include <sstream>

#include "common/atomic_file.h"
#include "common/builtin_templates.h"
#include "common/error.h"
#include "common/log.h"

namespace clipsweep {
namespace {

using Json = nlohmann::json;

bool IsWordNetId(std::string_view word) {
  return word.size() == 9 && word[0] == 'n' &&
         std::all_of(word.begin() + 1, word.end(), [](unsigned char c) { return std::isdigit(c); });
}

// Editors of Windows begin a file with a byte order mark.
std::string WithoutMark(const std::string& text) {
  return text.starts_with("\xef\xbb\xbf") ? text.substr(3) : text;
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(WithoutMark(text));
  for (std::string line; std::getline(in, line);) {
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty()) lines.push_back(line);
  }
  return lines;
}

// Pairs (folder or "", name) from lines.
std::vector<std::pair<std::string, std::string>> FromLines(const std::string& path,
                                                           const std::string& text) {
  std::vector<std::pair<std::string, std::string>> pairs;
  const std::vector<std::string> lines = Lines(text);
  const bool ids = std::all_of(lines.begin(), lines.end(), [](const std::string& line) {
    return IsWordNetId(line.substr(0, line.find_first_of(" \t")));
  });
  const bool tabs = lines.front().find('\t') != std::string::npos;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string& line = lines[i];
    const std::size_t cut = ids ? line.find_first_of(" \t") : line.find('\t');
    if (!ids && (cut != std::string::npos) != tabs) {
      throw InputError(fmt::format(
          "{}: name {} ('{}') {} a tab, the first has {}; write folder<TAB>name on every "
          "line or on none",
          path, i + 1, Printable(line), tabs ? "lacks" : "has", tabs ? "one" : "none"));
    }
    if (cut == std::string::npos) {
      pairs.emplace_back("", line);
    } else {
      pairs.emplace_back(line.substr(0, cut), line.substr(cut + 1));
    }
  }
  return pairs;
}

std::vector<std::pair<std::string, std::string>> FromJson(const std::string& path,
                                                          const Json& json) {
  std::vector<std::pair<std::string, std::string>> pairs;
  const auto bad = [&](const std::string& where) {
    return InputError(
        fmt::format("{}: entry {} is not a name or [folder, name]; see docs/file-formats.md", path,
                    Printable(where)));
  };
  const auto add = [&](const std::string& key, const Json& value) {
    if (value.is_string()) {
      pairs.emplace_back(key, value.get<std::string>());
    } else if (value.is_array() && value.size() == 2 && value[0].is_string() &&
               value[1].is_string()) {
      pairs.emplace_back(value[0].get<std::string>(), value[1].get<std::string>());
    } else {
      throw bad(key.empty() ? std::to_string(pairs.size()) : key);
    }
  };
  if (json.is_array()) {
    for (const Json& value : json) add("", value);
    return pairs;
  }
  if (!json.is_object()) throw bad("at the top");
  const auto is_number = [](const std::string& key) {
    return !key.empty() && key.size() < 10 &&
           std::all_of(key.begin(), key.end(), [](unsigned char c) { return std::isdigit(c); });
  };
  std::vector<std::string> keys;
  for (const auto& [key, value] : json.items()) keys.push_back(key);
  const bool numbered = std::all_of(keys.begin(), keys.end(), is_number);
  if (numbered) {
    std::sort(keys.begin(), keys.end(), [](const std::string& a, const std::string& b) {
      return std::stol(a) < std::stol(b);
    });
  }
  for (const std::string& key : keys) add(numbered ? "" : key, json[key]);
  return pairs;
}

}  // namespace

ClassNames ReadClassNames(const std::filesystem::path& path) {
  const std::string text = WithoutMark(ReadFile(path, std::size_t{1} << 26));
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) throw InputError(fmt::format("{}: is empty", path.string()));
  std::vector<std::pair<std::string, std::string>> pairs;
  if (text[first] == '{' || text[first] == '[') {
    const Json json = Json::parse(text, nullptr, false);
    if (json.is_discarded()) throw InputError(fmt::format("{}: is not valid JSON", path.string()));
    pairs = FromJson(path.string(), json);
  } else {
    pairs = FromLines(path.string(), text);
  }
  if (pairs.empty()) throw InputError(fmt::format("{}: names no class", path.string()));
  const bool folders =
      std::all_of(pairs.begin(), pairs.end(), [](auto& p) { return !p.first.empty(); });
  if (folders) std::sort(pairs.begin(), pairs.end());
  ClassNames out;
  std::set<std::string> seen;
  for (auto& [folder, name] : pairs) {
    const std::string id = folders ? folder : name;
    if (name.empty() || !seen.insert(id).second) {
      throw InputError(fmt::format("{}: class '{}' {}; every class needs one name", path.string(),
                                   Printable(id), name.empty() ? "has no name" : "stands twice"));
    }
    out.classes.push_back(id);
    std::replace(name.begin(), name.end(), '_', ' ');
    out.names.push_back(name);
  }
  return out;
}

std::vector<std::string> ReadTemplates(const std::string& spec) {
  for (const BuiltinTemplates& builtin : kBuiltinTemplates) {
    if (spec == builtin.name) return Lines(std::string(builtin.lines));
  }
  if (!std::filesystem::exists(spec)) {
    throw UsageError(
        fmt::format("--templates: '{}' is neither imagenet-1, imagenet-7, imagenet-80 nor a file",
                    Printable(spec)));
  }
  const std::vector<std::string> templates = Lines(ReadFile(spec));
  if (templates.empty()) throw InputError(fmt::format("{}: has no templates", spec));
  for (const std::string& text : templates) {
    const std::size_t first = text.find("{}");
    if (first == std::string::npos || text.find("{}", first + 2) != std::string::npos) {
      throw InputError(
          fmt::format("{}: template '{}' must have exactly one {{}}", spec, Printable(text)));
    }
  }
  return templates;
}

std::string FillTemplate(const std::string& text, const std::string& name) {
  std::string out = text;
  return out.replace(out.find("{}"), 2, name);
}

}  // namespace clipsweep
