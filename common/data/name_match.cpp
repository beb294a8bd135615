#include "common/data/name_match.h"

#include <fmt/core.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <cstdint>
#include <numeric>

#include "common/disk/text_input.h"
#include "common/process/error.h"
#include "common/process/log.h"

namespace clipsweep {
namespace {

bool IsAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
}

std::string Normal(const icu::Normalizer2* (*form)(UErrorCode&), std::string_view text) {
  if (IsAscii(text) || FirstNotUtf8(text) != std::string_view::npos) return std::string(text);
  UErrorCode code = U_ZERO_ERROR;
  const auto unicode = icu::UnicodeString::fromUTF8(
      icu::StringPiece(text.data(), static_cast<std::int32_t>(text.size())));
  const icu::UnicodeString normal = form(code)->normalize(unicode, code);
  if (U_FAILURE(code) != 0) throw InternalError("ICU cannot normalise text");
  std::string out;
  return normal.toUTF8String(out);
}

std::string WithoutCase(std::string_view name) {
  auto unicode = icu::UnicodeString::fromUTF8(ToNfc(name));
  std::string out;
  return ToNfc(unicode.foldCase().toUTF8String(out));
}

std::string WithoutBlanks(std::string_view name) {
  const auto unicode = icu::UnicodeString::fromUTF8(ToNfc(name));
  icu::UnicodeString kept;
  for (int at = 0; at < unicode.length(); at = unicode.moveIndex32(at, 1)) {
    const UChar32 point = unicode.char32At(at);
    const auto type = u_charType(point);
    const bool joins = type == U_DASH_PUNCTUATION || type == U_CONNECTOR_PUNCTUATION;
    if (!joins && u_isUWhiteSpace(point) == 0) kept.append(point);
  }
  std::string out;
  return kept.toUTF8String(out);
}

}  // namespace

std::string ToNfc(std::string_view text) { return Normal(icu::Normalizer2::getNFCInstance, text); }
std::string ToNfd(std::string_view text) { return Normal(icu::Normalizer2::getNFDInstance, text); }

std::string Folded(std::string_view name) { return WithoutCase(WithoutBlanks(name)); }

std::string DifferenceOf(std::string_view a, std::string_view b) {
  if (ToNfc(a) == ToNfc(b) || Folded(a) != Folded(b)) return "";
  if (WithoutCase(a) == WithoutCase(b)) return "only in letter case";
  if (WithoutBlanks(a) == WithoutBlanks(b)) return "only in blanks, underscores or hyphens";
  return "in letter case and in blanks, underscores or hyphens";
}

std::string NearName(std::string_view name, const std::vector<std::string>& known) {
  const auto is_number = [](std::string_view word) {
    return word.find_first_not_of("0123456789") == std::string_view::npos;
  };
  if (!is_number(name) && std::all_of(known.begin(), known.end(), is_number)) {
    return " (classes there are numbers; keys in JSON are folders)";
  }
  const std::string folded = Folded(name);
  for (const std::string& other : known) {
    if (Folded(other) != folded) continue;
    const std::string difference = DifferenceOf(other, name);
    if (!difference.empty()) {
      return fmt::format(" ('{}' differs {})", Printable(other), difference);
    }
  }
  return "";
}

namespace {

std::size_t EditDistance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, changed});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string NearestWord(const std::string& name, const std::vector<std::string>& known) {
  const std::string wanted = name.substr(0, 64);  // longer than any word of ours
  std::string nearest;
  std::size_t least = SIZE_MAX;
  for (const std::string& word : known) {
    const std::size_t distance = EditDistance(wanted, word);
    if (distance >= least) continue;
    least = distance;
    nearest = word;
  }
  return nearest;
}

std::string BytesOf(std::string_view name) {
  std::string out;
  for (const char c : Printable(name)) {
    if ((c & 0x80) == 0) {
      out += c;
    } else {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace clipsweep
