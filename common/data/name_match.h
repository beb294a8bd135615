// When two names of classes are one, and in what they differ when they are not.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace clipsweep {

// Unicode's normal form C, in which classes are kept and compared: macOS writes folders in form D.
// What is not UTF-8 stays as it is.
std::string ToNfc(std::string_view text);
// Form D, as macOS writes names.
std::string ToNfd(std::string_view text);

// Without letter case, blanks, underscores and hyphens: what a reader takes for one name.
std::string Folded(std::string_view name);

// "only in letter case", "only in blanks, underscores or hyphens" or both, for names of one
// Folded(); "" for other names and for those that are the same.
std::string DifferenceOf(std::string_view a, std::string_view b);

// For a refusal of `name`: " ('Dog' differs only in letter case)" when `known` has such a name, a
// hint when all of `known` are numbers, else "".
std::string NearName(std::string_view name, const std::vector<std::string>& known);

// The one of `known` with fewest letters to insert, drop or change (Levenshtein); the first of
// equals, "" of none.
std::string NearestWord(const std::string& name, const std::vector<std::string>& known);

// Every byte beyond ASCII as \xNN, for names that look alike on a terminal.
std::string BytesOf(std::string_view name);

}  // namespace clipsweep
