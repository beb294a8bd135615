#include "launch/markup.h"

#include <fmt/core.h>

#include <cmath>

#include <array>

namespace clipsweep {
namespace {

// UTF-8 of U+202A..U+202E and U+2066..U+2069, which reorder what follows them.
bool IsDirectionMark(std::string_view text) {
  if (text.size() < 3 || text[0] != '\xe2') return false;
  const auto second = static_cast<unsigned char>(text[1]);
  const auto third = static_cast<unsigned char>(text[2]);
  return (second == 0x80 && third >= 0xaa && third <= 0xae) ||
         (second == 0x81 && third >= 0xa6 && third <= 0xa9);
}

}  // namespace

std::string EscapeHtml(std::string_view text) {
  constexpr std::string_view kReplacement = "\xef\xbf\xbd";
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (IsDirectionMark(text.substr(at))) {
      out += kReplacement;
      at += 2;
      continue;
    }
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
          out += kReplacement;
        } else {
          out += c;
        }
    }
  }
  return out;
}

std::string CsvCell(std::string_view text) {
  constexpr std::string_view kFormula = "=+-@\t\r";
  std::string out = "\"";
  if (!text.empty() && kFormula.find(text[0]) != std::string_view::npos) out += '\'';
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

Shade ShadeOf(double value, double low, double high) {
  const double t = high > low ? (value - low) / (high - low) : 0.5;
  const auto mix = [t](int from, int middle, int to) {
    return static_cast<int>(std::lround(t < 0.5 ? from + 2 * t * (middle - from)
                                                : middle + (2 * t - 1) * (to - middle)));
  };
  return {
      fmt::format("#{:02x}{:02x}{:02x}", mix(59, 33, 253), mix(28, 145, 231), mix(100, 140, 37)),
      t < 0.62 ? "#ffffff" : "#1a1a1a"};
}

}  // namespace clipsweep
