// Lists of names that are another kind of file: tables, dictionaries, YAML, numbered lines.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/disk/text_input.h"

namespace clipsweep {

inline constexpr const char* kClassNameShapes =
    "understood are lines 'name', 'folder<TAB>name' or 'n01440764 name', and JSON [\"name\", ..], "
    "{\"folder\": \"name\", ..} or {\"0\": [\"folder\", \"name\"], ..}; see docs/file-formats.md";

// "n" and eight digits.
bool IsWordNetId(std::string_view word);
bool IsNumber(std::string_view word);  // digits only

// What `lines` (at least one, none empty) look like when they are not one class name, or folder and
// name, a line: "has a header line ('id,name')"; "" when nothing speaks against them. Only what
// holds for every line counts, or a header: a name may hold commas, colons and numbers.
std::string StrangeShape(const std::vector<TextLine>& lines);

}  // namespace clipsweep
