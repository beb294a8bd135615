// HTML character references in text, as Python's html.unescape replaces them (HTML Standard, "named
// character references" and "numeric character reference end state").
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace clipsweep {

// &amp; &#8212; &#x2014;, also those that need no semicolon; what is no reference stays.
std::u32string UnescapeHtml(std::u32string_view text);

// The characters of a named reference without its ampersand ("eacute;", "amp"), if there is such a
// one.
std::optional<std::u32string> HtmlEntity(std::u32string_view name);

// What a C1 control character stands for in windows-1252, as browsers read it; others as they are.
char32_t Windows1252(char32_t point);

}  // namespace clipsweep
