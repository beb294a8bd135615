// Foreign text made inert in HTML, SVG and CSV.
#pragma once

#include <string>
#include <string_view>

namespace clipsweep {

// For element content and quoted attributes. Control characters and marks that turn the reading
// direction become U+FFFD.
std::string EscapeHtml(std::string_view text);

// One CSV cell, quoted; a leading = + - @ gets an apostrophe before it.
std::string CsvCell(std::string_view text);

// Low to high from dark blue to yellow, with the ink that can be read on it.
struct Shade {
  std::string fill;
  const char* ink;
};
Shade ShadeOf(double value, double low, double high);

}  // namespace clipsweep
