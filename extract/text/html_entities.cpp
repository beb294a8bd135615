#include "extract/text/html_entities.h"

#include <algorithm>
#include <array>
#include <sstream>
#include <unordered_map>

#include "extract/text/embed_file.h"

CLIPSWEEP_EMBED_FILE(clipsweep_html_entities, CLIPSWEEP_HTML_ENTITIES_FILE);

namespace clipsweep {
namespace {

using Table = std::unordered_map<std::u32string, std::u32string>;

const Table& Entities() {
  static const Table table = [] {
    Table entities;
    std::istringstream lines(
        std::string(reinterpret_cast<const char*>(clipsweep_html_entities_begin),
                    reinterpret_cast<const char*>(clipsweep_html_entities_end)));
    for (std::string line; std::getline(lines, line);) {
      std::istringstream fields(line);
      std::string name;
      fields >> name >> std::hex;
      std::u32string characters;
      for (std::uint32_t point = 0; fields >> point;) characters += static_cast<char32_t>(point);
      entities[std::u32string(name.begin(), name.end())] = characters;
    }
    return entities;
  }();
  return table;
}

constexpr std::size_t kLongestName = 32;

bool IsDigit(char32_t c, bool hexadecimal) {
  return (c >= U'0' && c <= U'9') ||
         (hexadecimal && ((c >= U'a' && c <= U'f') || (c >= U'A' && c <= U'F')));
}

bool EndsName(char32_t c) {
  constexpr std::u32string_view kEnds = U"\t\n\f <&#;";
  return kEnds.find(c) != std::u32string_view::npos;
}

// The standard drops these: control characters and what Unicode calls noncharacters.
bool IsInvalid(char32_t point) {
  return (point >= 0x1 && point <= 0x8) || point == 0xb || (point >= 0xe && point <= 0x1f) ||
         (point >= 0x7f && point <= 0x9f) || (point >= 0xfdd0 && point <= 0xfdef) ||
         (point & 0xfffe) == 0xfffe;
}

std::u32string OfNumber(std::uint32_t number) {
  if (number == 0) return U"\ufffd";
  if (number == 0x0d) return U"\r";
  if (number >= 0x80 && number <= 0x9f) return {Windows1252(number)};
  if ((number >= 0xd800 && number <= 0xdfff) || number > 0x10ffff) return U"\ufffd";
  if (IsInvalid(number)) return U"";
  return {static_cast<char32_t>(number)};
}

// Replaces the reference that begins after the ampersand at `text`; returns how much it took, 0 for
// none.
std::size_t TakeNumber(std::u32string_view text, std::u32string& out) {
  std::size_t at = 1;  // after '#'
  const bool hexadecimal = text.size() > 1 && (text[1] == U'x' || text[1] == U'X');
  if (hexadecimal) ++at;
  const std::size_t first = at;
  std::uint32_t number = 0;
  for (; at < text.size() && IsDigit(text[at], hexadecimal); ++at) {
    const std::uint32_t digit = text[at] <= U'9' ? text[at] - U'0' : (text[at] | 0x20) - U'a' + 10;
    number = std::min<std::uint32_t>(0x110000, number * (hexadecimal ? 16 : 10) + digit);
  }
  if (at == first) return 0;
  out += OfNumber(number);
  return at + (at < text.size() && text[at] == U';' ? 1 : 0);
}

std::size_t TakeName(std::u32string_view text, std::u32string& out) {
  std::size_t length = 0;
  while (length < text.size() && length < kLongestName && !EndsName(text[length])) ++length;
  if (length == 0) return 0;
  if (length < text.size() && text[length] == U';') ++length;
  for (std::size_t part = length; part > 1; --part) {
    if (const auto found = HtmlEntity(text.substr(0, part))) {
      out += *found;
      return part;
    }
  }
  return 0;
}

}  // namespace

char32_t Windows1252(char32_t point) {
  constexpr std::array<char32_t, 32> kHigh{
      0x20ac, 0x81,   0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
      0x2039, 0x0152, 0x8d,   0x017d, 0x8f,   0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
      0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x9d,   0x017e, 0x0178};
  return point >= 0x80 && point <= 0x9f ? kHigh[point - 0x80] : point;
}

std::optional<std::u32string> HtmlEntity(std::u32string_view name) {
  const auto found = Entities().find(std::u32string(name));
  if (found == Entities().end()) return std::nullopt;
  return found->second;
}

std::u32string UnescapeHtml(std::u32string_view text) {
  std::u32string out;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t taken = 0;
    if (text[at] == U'&' && at + 1 < text.size()) {
      const std::u32string_view rest = text.substr(at + 1);
      taken = rest[0] == U'#' ? TakeNumber(rest, out) : TakeName(rest, out);
    }
    if (taken == 0) {
      out += text[at++];
    } else {
      at += 1 + taken;
    }
  }
  return out;
}

}  // namespace clipsweep
