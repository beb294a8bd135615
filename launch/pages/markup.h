// Foreign text made inert in HTML, SVG and CSV.
#pragma once

#include <string>
#include <string_view>

namespace clipsweep {

// How every page begins: by it one is known that may be replaced.
inline constexpr std::string_view kPageStart =
    "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta http-equiv=\"Content-Security-Policy\"";

// Everything up to and with <body>: a page that may fetch nothing and run nothing, light or dark as
// its reader likes, with `style` after the common rules.
std::string PageHead(const std::string& title, const std::string& style);

// Rules for the charts of launch/pages/charts.h and for heat maps.
extern const char* const kChartStyle;

// For element content and quoted attributes. Control characters, marks that turn the reading
// direction and bytes that are not UTF-8 become U+FFFD.
std::string EscapeHtml(std::string_view text);

// At most `most` bytes, whole characters, with an ellipsis where some were cut off.
std::string Shorten(const std::string& text, std::size_t most);

// One CSV cell, quoted; a leading = + - @ gets an apostrophe before it, and the same becomes U+FFFD
// but for line feeds and tabs.
std::string CsvCell(std::string_view text);

// Low to high from dark blue to yellow, with the ink that can be read on it.
struct Shade {
  std::string fill;
  const char* ink;
};
Shade ShadeOf(double value, double low, double high);

}  // namespace clipsweep
