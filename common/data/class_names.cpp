#include "common/data/class_names.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <mutex>
#include <set>

#include "common/data/builtin_templates.h"
#include "common/data/list_shapes.h"
#include "common/data/name_match.h"
#include "common/disk/json_reader.h"
#include "common/disk/text_input.h"
#include "common/process/error.h"
#include "common/process/log.h"

namespace clipsweep {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMostBytes = std::size_t{1} << 26;
constexpr JsonLimits kJsonLimits{.values = 2'000'000};  // a pair of texts takes as much again

struct Pair {
  std::string folder, name;  // folder "" where the file has none
  std::string place;         // "line 3", "entry 'cat'"
};

std::vector<Pair> FromLines(const std::string& path, const std::vector<TextLine>& lines) {
  if (const std::string shape = StrangeShape(lines); !shape.empty()) {
    throw InputError(fmt::format("{}: {}; {}", path, shape, kClassNameShapes));
  }
  const auto has_tab = [](const TextLine& line) {
    return line.text.find('\t') != std::string::npos;
  };
  const auto first_word = [](const TextLine& line) {
    return line.text.substr(0, line.text.find_first_of(" \t"));
  };
  const bool tabs = std::all_of(lines.begin(), lines.end(), has_tab);
  const bool ids = !tabs && std::all_of(lines.begin(), lines.end(), [&](const TextLine& line) {
    return IsWordNetId(first_word(line));
  });
  const bool bare = ids && std::all_of(lines.begin(), lines.end(), [&](const TextLine& line) {
                      return first_word(line) == line.text;
                    });
  std::vector<Pair> pairs;
  for (const TextLine& line : lines) {
    if (!ids && has_tab(line) != has_tab(lines.front())) {
      throw InputError(
          fmt::format("{}:{}: '{}' {} a tab, the first name has {}; write folder<TAB>name on every "
                      "line or on none",
                      path, line.number, Printable(line.text), has_tab(line) ? "has" : "lacks",
                      has_tab(line) ? "none" : "one"));
    }
    const std::string place = fmt::format("line {}", line.number);
    if (bare || (!ids && !tabs)) {
      pairs.push_back({"", line.text, place});
      continue;
    }
    const std::size_t cut = std::min(line.text.find_first_of(ids ? " \t" : "\t"), line.text.size());
    // Blanks after an id only part it from the name.
    const std::size_t from =
        std::min(ids ? line.text.find_first_not_of(" \t", cut) : cut + 1, line.text.size());
    pairs.push_back({line.text.substr(0, cut), line.text.substr(from), place});
    if (pairs.back().folder.empty()) {
      throw InputError(fmt::format("{}:{}: has no folder before the tab; write folder<TAB>name",
                                   path, line.number));
    }
  }
  return pairs;
}

const char* KindOf(const Json& value) {
  if (value.is_array()) return "a list";
  if (value.is_object()) return "an object";
  if (value.is_number()) return "a number";
  return value.is_null() ? "null" : "a truth value";
}

// Of [folder, name].
bool IsPair(const Json& value) {
  return value.is_array() && value.size() == 2 && value[0].is_string() && value[1].is_string();
}

std::vector<Pair> FromJson(const std::string& path, const std::string& text) {
  const auto [json, fault, repeated] = ParseJson<Json>(text, kJsonLimits);
  if (fault == JsonFault::kTooDeep || fault == JsonFault::kTooMany) {
    throw InputError(
        fmt::format("{}: {}; {}", path, JsonFaultText(fault, kJsonLimits), kClassNameShapes));
  }
  if (fault != JsonFault::kNone) {
    throw InputError(fmt::format("{}: is not valid JSON, though it begins with '{}'; {}", path,
                                 text[text.find_first_not_of(" \t\r\n")], kClassNameShapes));
  }
  if (!repeated.empty()) {
    throw InputError(fmt::format("{}: key '{}' stands twice; every class needs its own", path,
                                 Printable(repeated)));
  }
  std::vector<Pair> pairs;
  std::int64_t number = 0;
  for (const auto& [key, value] : json.items()) {
    const std::string place = json.is_array() ? fmt::format("entry {} (from 0)", number)
                                              : fmt::format("entry '{}'", Printable(key));
    ++number;
    // The folder stands in the value where the key is but a number.
    const bool may_be_pair = json.is_array() || IsNumber(key);
    if (value.is_string()) {
      pairs.push_back({json.is_array() ? std::string() : key, value.get<std::string>(), place});
    } else if (may_be_pair && IsPair(value)) {
      pairs.push_back({value[0].get<std::string>(), value[1].get<std::string>(), place});
    } else {
      throw InputError(
          fmt::format("{}: {} is {}; {}", path, place, KindOf(value), kClassNameShapes));
    }
    const bool pair = !value.is_string();
    if (pair != !json.begin().value().is_string()) {
      throw InputError(fmt::format("{}: {} is {}, the first is not; {}", path, place,
                                   pair ? "[folder, name]" : "a name", kClassNameShapes));
    }
    if (pairs.back().folder.empty() && (pair || json.is_object())) {
      throw InputError(fmt::format("{}: {} has no folder; every class needs one", path, place));
    }
  }
  return pairs;
}

// Names and folders as they are kept, or why they cannot be.
void Check(const std::string& path, Pair& pair) {
  for (std::string* text : {&pair.folder, &pair.name}) {
    const std::size_t at = text->find_first_of(std::string_view("\0\t\r\n", 4));
    if (at != std::string::npos) {
      throw InputError(fmt::format("{}: {} ('{}') holds {}; take it out", path, pair.place,
                                   Printable(*text),
                                   (*text)[at] == '\0' ? "a NUL" : "a tab or line break"));
    }
    *text = ToNfc(*text);
  }
  if (pair.name.find_first_not_of(' ') == std::string::npos) {
    throw InputError(fmt::format("{}: {} ('{}') has no name; every class needs one", path,
                                 pair.place, Printable(pair.folder)));
  }
}

std::vector<std::string> Texts(std::vector<TextLine> lines) {
  std::vector<std::string> texts;
  for (TextLine& line : lines) {
    if (!line.text.empty()) texts.push_back(std::move(line.text));
  }
  return texts;
}

}  // namespace

std::map<std::string, std::vector<std::string>> ClassNames::Shared() const {
  std::map<std::string, std::vector<std::string>> classes_of;
  for (std::size_t c = 0; c < names.size(); ++c) classes_of[names[c]].push_back(classes[c]);
  std::erase_if(classes_of, [](const auto& entry) { return entry.second.size() < 2; });
  return classes_of;
}

ClassNames ReadClassNames(const std::filesystem::path& path) {
  const std::string source = Printable(path.string());
  const std::string text = ReadTextInput(path, kMostBytes);
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) throw InputError(fmt::format("{}: is empty", source));
  std::vector<Pair> pairs;
  if (text[first] == '{' || text[first] == '[') {
    pairs = FromJson(source, text);
  } else {
    pairs = FromLines(source, DropBlank(SplitLines(source, text)));
  }
  if (pairs.empty()) throw InputError(fmt::format("{}: names no class", source));
  for (Pair& pair : pairs) Check(source, pair);
  const bool folders = !pairs.front().folder.empty();
  if (folders) {
    std::stable_sort(pairs.begin(), pairs.end(),
                     [](const Pair& a, const Pair& b) { return a.folder < b.folder; });
  }
  ClassNames out;
  for (std::size_t c = 0; c < pairs.size(); ++c) {
    Pair& pair = pairs[c];
    if (folders && c > 0 && pairs[c - 1].folder == pair.folder) {
      throw InputError(
          fmt::format("{}: class '{}' stands twice ({} and {}); every folder has one "
                      "name",
                      source, Printable(pair.folder), pairs[c - 1].place, pair.place));
    }
    out.classes.push_back(folders ? pair.folder : pair.name);
    std::replace(pair.name.begin(), pair.name.end(), '_', ' ');
    out.names.push_back(pair.name);
  }
  return out;
}

std::vector<std::string> ReadClassFolders(const std::filesystem::path& path) {
  std::vector<std::string> classes = ReadClassNames(path).classes;
  std::set<std::string_view> seen;
  for (const std::string& folder : classes) {
    if (seen.insert(folder).second) continue;
    throw InputError(
        fmt::format("{}: class '{}' stands twice, and a folder of that name holds the images of "
                    "one; write lines folder<TAB>name",
                    Printable(path.string()), Printable(folder)));
  }
  return classes;
}

void WarnOfSharedNames(const std::filesystem::path& path, const ClassNames& names) {
  static std::mutex mutex;
  static std::set<std::string> said;
  const std::lock_guard lock(mutex);
  for (const auto& [name, classes] : names.Shared()) {
    const std::string line = fmt::format(
        "{}: {} classes have one name, '{}' ({}); {}", Printable(path.string()), classes.size(),
        Printable(name), Printable(fmt::format("{}", fmt::join(classes, ", "))),
        classes[0] == classes[1] ? "only their places in the list tell them apart"
                                 : "their folders tell them apart, their texts are equal");
    if (said.insert(line).second) LogWarning("{}", line);
  }
}

std::string LooksLike(const std::vector<std::string>& names,
                      const std::vector<std::string>& folders) {
  const auto all_numbers = std::all_of(folders.begin(), folders.end(), IsNumber);
  for (std::size_t c = 1; all_numbers && c < folders.size(); ++c) {
    if (folders[c].size() >= folders[c - 1].size()) continue;
    return fmt::format("folders are numbers in the order of their bytes, '{}' before '{}'",
                       Printable(folders[c - 1]), Printable(folders[c]));
  }
  std::map<std::string, std::size_t> place_of;  // of folders
  for (std::size_t c = 0; c < folders.size(); ++c) place_of.emplace(Folded(folders[c]), c);
  std::set<std::size_t> alike;
  std::string spelling, order;
  for (std::size_t c = 0; c < names.size(); ++c) {
    const auto found = place_of.find(Folded(names[c]));
    if (found == place_of.end()) continue;
    const std::string& folder = folders[found->second];
    alike.insert(found->second);
    const std::string difference = DifferenceOf(names[c], folder);
    if (spelling.empty() && !difference.empty()) {
      spelling = fmt::format("'{}' and folder '{}' differ {}", Printable(names[c]),
                             Printable(folder), difference);
    }
    if (order.empty() && found->second != c) {
      order = fmt::format("'{}' is number {} of the list, folder '{}' number {}",
                          Printable(names[c]), c + 1, Printable(folder), found->second + 1);
    }
  }
  if (alike.size() == folders.size() && !spelling.empty()) return spelling;
  if (!order.empty() && !spelling.empty()) return spelling + ", and " + order;
  return order;
}

std::vector<std::string> ReadTemplates(const std::string& spec) {
  for (const BuiltinTemplates& builtin : kBuiltinTemplates) {
    if (spec == builtin.name) return Texts(SplitLines(spec, std::string(builtin.lines)));
  }
  if (!std::filesystem::exists(spec)) {
    throw UsageError(
        fmt::format("--templates: '{}' is neither imagenet-1, imagenet-7, imagenet-80 nor a file",
                    Printable(spec)));
  }
  const std::vector<std::string> templates = Texts(ReadTextLines(spec, kMostBytes));
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
