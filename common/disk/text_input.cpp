#include "common/disk/text_input.h"

#include <fmt/core.h>
#include <unicode/utf8.h>

#include <algorithm>

#include "common/disk/atomic_file.h"
#include "common/process/error.h"
#include "common/process/log.h"

namespace clipsweep {
namespace {

// "names.txt:3: byte 14", both from 1.
std::string Place(const std::string& source, std::string_view text, std::size_t at) {
  const std::string_view before = text.substr(0, at);
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const std::size_t start = before.rfind('\n');
  const std::size_t column = start == std::string_view::npos ? at + 1 : at - start;
  return fmt::format("{}:{}: byte {}", Printable(source), line, column);
}

// By its mark, or by the NULs that every second byte of mostly Latin text is.
bool IsUtf16(std::string_view bytes) {
  if (bytes.starts_with("\xff\xfe") || bytes.starts_with("\xfe\xff")) return true;
  const std::string_view start = bytes.substr(0, 4096);
  std::size_t nuls[2] = {0, 0};
  for (std::size_t at = 0; at < start.size(); ++at) nuls[at % 2] += start[at] == '\0' ? 1 : 0;
  const std::size_t most = std::max(nuls[0], nuls[1]), fewest = std::min(nuls[0], nuls[1]);
  return start.size() >= 2 && most * 4 >= start.size() && fewest * 8 <= most;
}

}  // namespace

std::size_t FirstNotUtf8(std::string_view text) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
  const auto size = static_cast<std::int64_t>(text.size());
  for (std::int64_t at = 0; at < size;) {
    const std::int64_t start = at;
    UChar32 point = 0;
    U8_NEXT(bytes, at, size, point);
    if (point < 0) return static_cast<std::size_t>(start);
  }
  return std::string_view::npos;
}

std::string CheckTextInput(const std::string& source, std::string bytes) {
  if (IsUtf16(bytes)) {
    throw InputError(fmt::format("{}: is UTF-16; save it as UTF-8", Printable(source)));
  }
  const std::size_t nul = bytes.find('\0');
  const std::size_t bad = FirstNotUtf8(std::string_view(bytes).substr(0, nul));
  if (bad != std::string::npos) {
    throw InputError(fmt::format("{} is 0x{:02x}, not UTF-8 (Latin-1?); save it as UTF-8",
                                 Place(source, bytes, bad),
                                 static_cast<unsigned char>(bytes[bad])));
  }
  if (nul != std::string::npos) {
    throw InputError(
        fmt::format("{} is 0x00, which no text has; take it out", Place(source, bytes, nul)));
  }
  if (bytes.starts_with("\xef\xbb\xbf")) bytes.erase(0, 3);
  return bytes;
}

std::string ReadTextInput(const std::filesystem::path& path, std::size_t limit) {
  return CheckTextInput(path.string(), ReadFile(path, limit));
}

std::vector<TextLine> SplitLines(const std::string& source, const std::string& text) {
  std::vector<TextLine> lines;
  std::int64_t number = 0;
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    TextLine line{++number, text.substr(start, end - start)};
    if (line.text.ends_with('\r')) line.text.pop_back();
    if (const std::size_t at = line.text.find('\r'); at != std::string::npos) {
      throw InputError(
          fmt::format("{}:{}: byte {} is a carriage return inside a line; end lines with line "
                      "feeds",
                      Printable(source), number, at + 1));
    }
    lines.push_back(std::move(line));
    start = end + 1;
  }
  return lines;
}

std::vector<TextLine> DropBlank(std::vector<TextLine> lines) {
  std::erase_if(lines, [](const TextLine& line) {
    return line.text.find_first_not_of(' ') == std::string::npos;
  });
  return lines;
}

std::vector<TextLine> ReadTextLines(const std::filesystem::path& path, std::size_t limit) {
  return DropBlank(SplitLines(path.string(), ReadTextInput(path, limit)));
}

}  // namespace clipsweep
