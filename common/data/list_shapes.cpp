#include "common/data/list_shapes.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <functional>
#include <optional>
#include <set>

#include "common/process/log.h"

namespace clipsweep {
namespace {

using Lines = std::vector<TextLine>;

bool All(const Lines& lines, const std::function<bool(const std::string&)>& holds) {
  return std::all_of(lines.begin(), lines.end(), [&](const auto& l) { return holds(l.text); });
}

std::string Trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return "";
  return std::string(text.substr(first, text.find_last_not_of(" \t") - first + 1));
}

std::string Unquoted(const std::string& text) {
  const bool quoted =
      text.size() >= 2 && (text[0] == '"' || text[0] == '\'') && text.back() == text[0];
  return quoted ? text.substr(1, text.size() - 2) : text;
}

std::string Shown(const TextLine& line) { return Printable(line.text).substr(0, 60); }

// "id,name" or "folder<TAB>name": two words or more, each of which says what a column holds.
std::string Header(const Lines& lines) {
  static const std::set<std::string> kColumns = {
      "id",         "ids",         "name",        "names",       "label",      "labels",
      "folder",     "class",       "classes",     "class_id",    "classid",    "class id",
      "index",      "idx",         "class_index", "class_name",  "classname",  "class name",
      "label_name", "wnid",        "synset",      "description", "text",       "label_id",
      "category",   "category_id", "number",      "no",          "classlabel", "class_label",
      "directory",  "dir",         "path",        "foldername",  "folder_name"};
  for (const char separator : {',', ';', '\t'}) {
    std::set<std::string> cells;
    std::size_t count = 0;
    const std::string& text = lines.front().text;
    for (std::size_t start = 0; start <= text.size(); ++count) {
      const std::size_t end = std::min(text.find(separator, start), text.size());
      std::string cell = Unquoted(Trimmed(std::string_view(text).substr(start, end - start)));
      std::transform(cell.begin(), cell.end(), cell.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      cells.insert(cell);
      start = end + 1;
    }
    const bool known = std::all_of(cells.begin(), cells.end(),
                                   [](const std::string& cell) { return kColumns.contains(cell); });
    if (count > 1 && cells.size() == count && known && lines.size() > 1) {
      return fmt::format("has a header line ('{}')", Shown(lines.front()));
    }
  }
  return "";
}

// "0,tench": every line begins with an id or number and a comma or semicolon.
std::string Table(const Lines& lines) {
  for (const char separator : {',', ';'}) {
    const bool table = All(lines, [&](const std::string& text) {
      const std::size_t cut = text.find(separator);
      if (cut == std::string::npos) return false;
      const std::string first = Unquoted(Trimmed(text.substr(0, cut)));
      return IsNumber(first) || IsWordNetId(first);
    });
    if (table) return fmt::format("is a table ('{}')", Shown(lines.front()));
  }
  return "";
}

bool IsKey(const std::string& word) {
  return !word.empty() && word.find_first_of(" \t") == std::string::npos;
}

// "0: tench", "names:", "- tench"
std::string Yaml(const Lines& lines) {
  const auto is_item = [](const std::string& text) { return Trimmed(text).starts_with("- "); };
  if (All(lines, is_item)) return fmt::format("is a YAML list ('{}')", Shown(lines.front()));
  std::set<std::string> keys;
  std::size_t pairs = 0;
  bool flow = false;  // a value that is a list or dictionary of its own
  const bool all = All(lines, [&](const std::string& line) {
    const std::string text = Trimmed(line);
    if (text == "---" || is_item(text) || text.starts_with("# ")) return true;
    const std::size_t cut = std::min(text.find(": "), text.size());
    if (cut == text.size() && !text.ends_with(':')) return false;
    const std::string key = text.substr(0, cut == text.size() ? cut - 1 : cut);
    if (!IsKey(key) || !keys.insert(key).second) return false;
    ++pairs;
    flow = flow || text.find(": [", cut) == cut || text.find(": {", cut) == cut;
    return true;
  });
  if (!all || (pairs == 0 && lines.front().text != "---")) return "";
  if (pairs == 0) return "is YAML";
  // One line such as "Alien: Covenant" may be a name.
  const bool id = IsNumber(*keys.begin()) || IsWordNetId(*keys.begin());
  if (lines.size() == 1 && !id && !flow) return "";
  return fmt::format("has keys and colons ('{}')", Shown(lines.front()));
}

// "tench", with its quotes, perhaps with a comma: cells of a table or items of a list.
std::string Quoted(const Lines& lines) {
  const bool quoted = All(lines, [](const std::string& line) {
    std::string text = Trimmed(line);
    if (text.ends_with(',')) text.pop_back();
    return Unquoted(text) != text;
  });
  return quoted ? fmt::format("has names in quotes ({})", Shown(lines.front())) : "";
}

// "0 tench", "1 goldfish", ..: numbers that count lines, before names that differ.
std::string Numbered(const Lines& lines) {
  std::set<std::string> rest;
  std::optional<std::int64_t> last;
  const bool counted = All(lines, [&](const std::string& line) {
    std::int64_t number = 0;
    const char* end = line.data() + line.size();
    const auto [after, code] = std::from_chars(line.data(), end, number);
    if (code != std::errc() || after == line.data()) return false;
    const std::string tail(after, end);
    const std::size_t start = tail.find_first_not_of(".): ");
    // A blank ends the number: "001.Albatross" is the name of a folder.
    if (start == std::string::npos || start == 0 || tail[start - 1] != ' ') return false;
    const bool next = last ? number == *last + 1 : number == 0 || number == 1;
    last = number;
    return next && rest.insert(tail.substr(start)).second;
  });
  return counted && lines.size() > 1
             ? fmt::format("has numbered lines ('{}')", Shown(lines.front()))
             : "";
}

std::string Markup(const Lines& lines) {
  for (const char* start : {"<?xml", "<!DOCTYPE", "<!doctype", "<html"}) {
    if (Trimmed(lines.front().text).starts_with(start)) return "is an HTML or XML page";
  }
  return "";
}

std::string Tabs(const Lines& lines) {
  for (const TextLine& line : lines) {
    if (std::count(line.text.begin(), line.text.end(), '\t') > 1) {
      return fmt::format("has several tabs in line {} ('{}')", line.number, Shown(line));
    }
  }
  return "";
}

}  // namespace

bool IsNumber(std::string_view word) {
  return !word.empty() && word.find_first_not_of("0123456789") == std::string_view::npos;
}

bool IsWordNetId(std::string_view word) {
  return word.size() == 9 && word[0] == 'n' && IsNumber(word.substr(1));
}

std::string StrangeShape(const std::vector<TextLine>& lines) {
  for (const auto& look : {Tabs, Header, Markup}) {
    if (const std::string found = look(lines); !found.empty()) return found;
  }
  if (All(lines, [](const std::string& text) { return text.find('\t') != std::string::npos; })) {
    return "";  // folder<TAB>name, whatever they are
  }
  for (const auto& look : {Table, Yaml, Quoted, Numbered}) {
    if (const std::string found = look(lines); !found.empty()) return found;
  }
  return "";
}

}  // namespace clipsweep
