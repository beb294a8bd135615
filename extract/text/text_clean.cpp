#include "extract/text/text_clean.h"

#include <fmt/core.h>
#include <unicode/locid.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <functional>
#include <unordered_map>

#include "common/process/error.h"
#include "common/process/log.h"
#include "extract/text/html_entities.h"

namespace clipsweep {
namespace {

std::u32string ToPoints(const icu::UnicodeString& text) {
  std::u32string points;
  for (int at = 0; at < text.length(); at = text.moveIndex32(at, 1)) {
    points += static_cast<char32_t>(text.char32At(at));
  }
  return points;
}

icu::UnicodeString ToIcu(std::u32string_view points) {
  return icu::UnicodeString::fromUTF32(reinterpret_cast<const UChar32*>(points.data()),
                                       static_cast<std::int32_t>(points.size()));
}

std::u32string Normalize(const icu::Normalizer2* (*form)(UErrorCode&), std::u32string_view text) {
  UErrorCode code = U_ZERO_ERROR;
  const icu::UnicodeString normal = form(code)->normalize(ToIcu(text), code);
  if (U_FAILURE(code) != 0) throw InternalError("ICU cannot normalise text");
  return ToPoints(normal);
}

// ftfy replaces references that end in a semicolon only, and also names in capitals (&EACUTE;)
// where capitals alone name nothing.
std::u32string FtfyReference(std::u32string_view reference) {
  if (reference[1] == U'#') {
    const std::u32string plain = UnescapeHtml(reference);
    return plain.find(U';') == std::u32string::npos ? plain : std::u32string(reference);
  }
  const std::u32string_view name = reference.substr(1);
  if (const auto found = HtmlEntity(name)) return *found;
  std::u32string lower(name);
  for (char32_t& c : lower) {
    if (c >= U'a' && c <= U'z') return std::u32string(reference);
    if (c >= U'A' && c <= U'Z') c |= 0x20;
  }
  const auto found = HtmlEntity(lower);
  if (!found || UnescapeHtml(reference) != reference) return std::u32string(reference);
  return ToPoints(ToIcu(*found).toUpper(icu::Locale::getRoot()));
}

std::u32string ReplaceReferences(const std::u32string& text) {
  constexpr std::size_t kLongest = 24;
  const auto is_name = [](char32_t c) {
    return (c >= U'0' && c <= U'9') || (c >= U'A' && c <= U'Z') || (c >= U'a' && c <= U'z');
  };
  std::u32string out;
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == U'&') {
      std::size_t start = at + 1;
      if (start < text.size() && text[start] == U'#') ++start;
      std::size_t end = start;
      while (end < text.size() && end - start < kLongest && is_name(text[end])) ++end;
      if (end > start && end < text.size() && text[end] == U';') {
        out += FtfyReference(std::u32string_view(text).substr(at, end + 1 - at));
        at = end + 1;
        continue;
      }
    }
    out += text[at++];
  }
  return out;
}

const std::unordered_map<char32_t, std::u32string>& Ligatures() {
  static const std::unordered_map<char32_t, std::u32string> map = {
      {U'Ĳ', U"IJ"},  {U'ĳ', U"ij"},  {U'ŉ', U"ʼn"}, {U'Ǳ', U"DZ"}, {U'ǲ', U"Dz"}, {U'ǳ', U"dz"},
      {U'Ǆ', U"DŽ"},  {U'ǅ', U"Dž"},  {U'ǆ', U"dž"}, {U'Ǉ', U"LJ"}, {U'ǈ', U"Lj"}, {U'ǉ', U"lj"},
      {U'Ǌ', U"NJ"},  {U'ǋ', U"Nj"},  {U'ǌ', U"nj"}, {U'ﬀ', U"ff"}, {U'ﬁ', U"fi"}, {U'ﬂ', U"fl"},
      {U'ﬃ', U"ffi"}, {U'ﬄ', U"ffl"}, {U'ﬅ', U"ſt"}, {U'ﬆ', U"st"}};
  return map;
}

bool IsRemoved(char32_t c) {
  return c <= 0x08 || c == 0x0b || (c >= 0x0e && c < 0x20) || c == 0x7f ||
         (c >= 0x206a && c < 0x2070) || c == 0xfeff || (c >= 0xfff9 && c < 0xfffd);
}

// One character as ftfy's single-character steps leave it, in their order.
void AppendFixed(char32_t c, std::u32string& out) {
  c = Windows1252(c);
  if (const auto found = Ligatures().find(c); found != Ligatures().end()) {
    for (const char32_t part : found->second) out += part == U'ʼ' ? U'\'' : part;
    return;
  }
  if (c == 0x3000) {
    c = U' ';
  } else if (c >= 0xff01 && c < 0xfff0) {
    out += Normalize(icu::Normalizer2::getNFKCInstance, std::u32string(1, c));
    return;
  } else if (c == 0x02bc || (c >= 0x2018 && c <= 0x201b)) {
    c = U'\'';
  } else if (c >= 0x201c && c <= 0x201f) {
    c = U'"';
  } else if (c == U'\r' || c == 0x2028 || c == 0x2029 || c == 0x85) {
    c = U'\n';
  }
  out += c;
}

// ESC [ numbers letter.
std::u32string RemoveTerminalEscapes(const std::u32string& text) {
  std::u32string out;
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == 0x1b && at + 1 < text.size() && text[at + 1] == U'[') {
      std::size_t end = at + 2;
      while (end < text.size() &&
             (text[end] == U';' || u_isdigit(static_cast<UChar32>(text[end])) != 0)) {
        ++end;
      }
      if (end < text.size() &&
          ((text[end] >= U'a' && text[end] <= U'z') || (text[end] >= U'A' && text[end] <= U'Z'))) {
        at = end + 1;
        continue;
      }
    }
    out += text[at++];
  }
  return out;
}

// One line, until nothing changes any more.
std::u32string FixLine(std::u32string line, bool references) {
  for (;;) {
    std::u32string fixed;
    for (const char32_t c : references ? ReplaceReferences(line) : line) AppendFixed(c, fixed);
    fixed = RemoveTerminalEscapes(fixed);
    std::erase_if(fixed, IsRemoved);
    fixed = Normalize(icu::Normalizer2::getNFCInstance, fixed);
    if (fixed == line) return fixed;
    line = std::move(fixed);
  }
}

}  // namespace

std::string CleanText(std::string_view text) {
  if (text.size() > kMaxTextBytes) {
    throw InputError(
        fmt::format("a text of {} bytes, beginning '{}', is longer than the {} allowed",
                    text.size(), Printable(std::string(text.substr(0, 40))), kMaxTextBytes));
  }
  const std::u32string points = ToPoints(icu::UnicodeString::fromUTF8(
      icu::StringPiece(text.data(), static_cast<std::int32_t>(text.size()))));
  std::u32string fixed;
  bool references = true;
  for (std::size_t at = 0; at < points.size();) {
    const std::size_t end = std::min(points.find(U'\n', at), points.size() - 1) + 1;
    const std::u32string line = points.substr(at, end - at);
    // Text with a '<' may be HTML that means its references; so may what follows it.
    references = references && line.find(U'<') == std::u32string::npos;
    fixed += FixLine(line, references);
    at = end;
  }
  std::string out;
  ToIcu(UnescapeHtml(UnescapeHtml(fixed))).toUTF8String(out);
  return out;
}

}  // namespace clipsweep
