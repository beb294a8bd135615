// The log: one line per event on stderr with time and rank. Results go to stdout, never here.
#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>
#include <utility>

namespace clipsweep {

enum class LogLevel { kDebug, kInfo, kWarning, kError, kOff };

// Accepts debug, info, warning, error, off; throws UsageError on anything else.
LogLevel ParseLogLevel(std::string_view name);

// Until called, warnings and errors are written without a rank.
void InitLog(LogLevel level, int rank, int ranks);

bool LogEnabled(LogLevel level);
void LogLine(LogLevel level, std::string_view line);

template <typename... Args>
void LogDebug(fmt::format_string<Args...> format, Args&&... args) {
  if (LogEnabled(LogLevel::kDebug))
    LogLine(LogLevel::kDebug, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void LogInfo(fmt::format_string<Args...> format, Args&&... args) {
  if (LogEnabled(LogLevel::kInfo))
    LogLine(LogLevel::kInfo, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void LogWarning(fmt::format_string<Args...> format, Args&&... args) {
  LogLine(LogLevel::kWarning, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void LogError(fmt::format_string<Args...> format, Args&&... args) {
  LogLine(LogLevel::kError, fmt::format(format, std::forward<Args>(args)...));
}

// Bytes of the first character of `text` when it turns the reading direction (U+061C, U+200E,
// U+200F, U+202A..U+202E, U+2066..U+2069) or ends a line (U+2028, U+2029); else 0.
std::size_t DirectionMark(std::string_view text);

// Makes text safe for a terminal: control characters, of C1 too, those that turn the reading
// direction, and what is not UTF-8 become \xNN. Text that has passed through stays as it is.
std::string Printable(std::string_view text);

}  // namespace clipsweep
