#include "common/process/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>

#include "common/process/error.h"
#include "common/process/unsafe_text.h"

namespace clipsweep {
namespace {

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return spdlog::level::debug;
    case LogLevel::kInfo: return spdlog::level::info;
    case LogLevel::kWarning: return spdlog::level::warn;
    case LogLevel::kError: return spdlog::level::err;
    case LogLevel::kOff: return spdlog::level::off;
  }
  return spdlog::level::info;
}

std::shared_ptr<spdlog::logger>& Logger() {
  static std::shared_ptr<spdlog::logger> logger = [] {
    auto made = std::make_shared<spdlog::logger>(
        "clipsweep", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    made->set_pattern("%H:%M:%S %^%l%$ %v");
    made->set_level(spdlog::level::warn);
    return made;
  }();
  return logger;
}

}  // namespace

LogLevel ParseLogLevel(std::string_view name) {
  if (name == "debug") return LogLevel::kDebug;
  if (name == "info") return LogLevel::kInfo;
  if (name == "warning") return LogLevel::kWarning;
  if (name == "error") return LogLevel::kError;
  if (name == "off") return LogLevel::kOff;
  throw UsageError(fmt::format(
      "--log-level: '{}' is not a level; use debug, info, warning, error or off", Printable(name)));
}

void InitLog(LogLevel level, int rank, int ranks) {
  Logger()->set_level(ToSpdlog(level));
  if (ranks > 1) {
    Logger()->set_pattern(fmt::format("%H:%M:%S r{}/{} %^%l%$ %v", rank, ranks));
  }
}

bool LogEnabled(LogLevel level) { return Logger()->should_log(ToSpdlog(level)); }

void LogLine(LogLevel level, std::string_view line) {
  const std::string text = Printable(line);  // whoever has put foreign text into it
  Logger()->log(ToSpdlog(level), spdlog::string_view_t(text.data(), text.size()));
}

std::size_t DirectionMark(std::string_view text) {
  if (text.starts_with("\xd8\x9c")) return 2;
  if (text.size() < 3 || text[0] != '\xe2') return 0;
  const auto second = static_cast<unsigned char>(text[1]);
  const auto third = static_cast<unsigned char>(text[2]);
  const bool turns =
      (second == 0x80 && (third == 0x8e || third == 0x8f || (third >= 0xa8 && third <= 0xae))) ||
      (second == 0x81 && third >= 0xa6 && third <= 0xa9);
  return turns ? 3 : 0;
}

namespace {

std::string SpelledOut(std::string_view piece) {
  std::string out;
  for (const char byte : piece) out += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
  return out;
}

}  // namespace

std::string Printable(std::string_view text) { return ReplaceUnsafe(text, "", SpelledOut); }

std::string PrintableLines(std::string_view text) {
  return ReplaceUnsafe(text, "\n\t", SpelledOut);
}

}  // namespace clipsweep
