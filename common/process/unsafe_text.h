// What of foreign text no terminal, table or page may get as it is: control characters (of C1 too),
// marks that turn the reading direction, and bytes that are not UTF-8. Every sink asks here.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "common/process/log.h"

namespace clipsweep {

// Bytes of the well-formed UTF-8 character that `text` begins with; 0 for none.
inline std::size_t Utf8Bytes(std::string_view text) {
  const auto byte = [&](std::size_t at) -> unsigned {
    return at < text.size() ? static_cast<unsigned char>(text[at]) : 0;
  };
  const auto follows = [&](std::size_t at) { return (byte(at) & 0xc0) == 0x80; };
  const unsigned first = byte(0), second = byte(1);
  if (text.empty()) return 0;
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const bool overlong = first == 0xe0 && second < 0xa0,
               surrogate = first == 0xed && second > 0x9f;
    return follows(1) && follows(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const bool overlong = first == 0xf0 && second < 0x90, beyond = first == 0xf4 && second > 0x8f;
    return follows(1) && follows(2) && follows(3) && !overlong && !beyond ? 4 : 0;
  }
  return 0;
}

struct TextPiece {
  std::size_t bytes;  // at least 1 where there is text
  bool safe;
};

// The character, or the single byte that is part of none, that `text` begins with.
inline TextPiece FirstPiece(std::string_view text) {
  const std::size_t bytes = Utf8Bytes(text);
  if (bytes == 0) return {1, false};
  const auto first = static_cast<unsigned char>(text[0]);
  if (bytes == 1) return {1, first >= 0x20 && first != 0x7f};
  const bool is_c1 = first == 0xc2 && static_cast<unsigned char>(text[1]) < 0xa0;
  return {bytes, !is_c1 && DirectionMark(text) == 0};
}

// `text` with what is unsafe in it replaced by `stand_in`(its bytes); `kept`: control characters
// that may stay.
template <typename StandIn>
std::string ReplaceUnsafe(std::string_view text, std::string_view kept, const StandIn& stand_in) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto [bytes, safe] = FirstPiece(text);
    const std::string_view piece = text.substr(0, bytes);
    if (safe || (bytes == 1 && kept.find(piece[0]) != std::string_view::npos)) {
      out += piece;
    } else {
      out += stand_in(piece);
    }
    text.remove_prefix(bytes);
  }
  return out;
}

// Unsafe text as U+FFFD, for tables and pages, which are valid UTF-8.
inline std::string ReplacedText(std::string_view text, std::string_view kept = "") {
  return ReplaceUnsafe(text, kept, [](std::string_view) { return "\xef\xbf\xbd"; });
}

// Printable of every line: results on a terminal, of several lines and with tabs.
std::string PrintableLines(std::string_view text);

}  // namespace clipsweep
