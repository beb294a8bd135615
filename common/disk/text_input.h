// Text that others have written: lists, templates, subsets, configurations, JSON. All of it is
// UTF-8; this is the one place where that is looked at.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace clipsweep {

// The file as UTF-8 without a byte order mark. Throws InputError naming file, line and byte (both
// from 1) of what is not UTF-8, of a NUL, and the file when it is UTF-16.
std::string ReadTextInput(const std::filesystem::path& path,
                          std::size_t limit = std::size_t{1} << 30);

// The same for bytes that are in memory already; `source` names them.
std::string CheckTextInput(const std::string& source, std::string bytes);

struct TextLine {
  std::int64_t number = 0;  // from 1
  std::string text;         // without its end, \n or \r\n
};

// Every line, empty ones too. Throws InputError where a carriage return stands inside a line.
std::vector<TextLine> SplitLines(const std::string& source, const std::string& text);

// Without lines that are empty or hold spaces only.
std::vector<TextLine> DropBlank(std::vector<TextLine> lines);

// The lines of a file, without the blank ones.
std::vector<TextLine> ReadTextLines(const std::filesystem::path& path,
                                    std::size_t limit = std::size_t{1} << 30);

// Where the first byte is that is not part of UTF-8; npos: nowhere.
std::size_t FirstNotUtf8(std::string_view text);

}  // namespace clipsweep
