// What CLIP's reference tokenizer does to a text before it splits it (simple_tokenizer.py
// basic_clean): ftfy.fix_text, then HTML references replaced twice.
//
// Of ftfy 6.3 everything is done but one step: the repair of text that was once decoded in the
// wrong encoding ("â€”" for a dash), which rests on large statistical tables. Such text goes
// through as it is.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace clipsweep {

// Cleaning takes a time that grows with the square of some texts; 77 tokens need far less than
// this.
inline constexpr std::size_t kMaxTextBytes = 16384;

// Throws InputError for more than kMaxTextBytes. UTF-8 in (invalid bytes become U+FFFD), UTF-8 out.
// White space is not collapsed: the tokenizer skips it.
std::string CleanText(std::string_view text);

}  // namespace clipsweep
