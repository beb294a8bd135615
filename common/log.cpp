#include "common/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>

#include "common/error.h"

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
  Logger()->log(ToSpdlog(level), spdlog::string_view_t(line.data(), line.size()));
}

std::size_t DirectionMark(std::string_view text) {
  if (text.starts_with("\xd8\x9c")) return 2;
  if (text.size() < 3 || text[0] != '\xe2') return 0;
  const auto second = static_cast<unsigned char>(text[1]);
  const auto third = static_cast<unsigned char>(text[2]);
  const bool turns =
      (second == 0x80 && (third == 0x8e || third == 0x8f || (third >= 0xaa && third <= 0xae))) ||
      (second == 0x81 && third >= 0xa6 && third <= 0xa9);
  return turns ? 3 : 0;
}

std::string Printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  std::size_t unsafe = 0;  // bytes still to be spelled out
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    const bool is_c1 = byte == 0xc2 && at + 1 < text.size() &&
                       static_cast<unsigned char>(text[at + 1]) >= 0x80 &&
                       static_cast<unsigned char>(text[at + 1]) < 0xa0;
    if (unsafe == 0) unsafe = is_c1 ? 2 : DirectionMark(text.substr(at));
    if (byte < 0x20 || byte == 0x7f || unsafe > 0) {
      out += fmt::format("\\x{:02x}", byte);
      unsafe -= unsafe > 0 ? 1 : 0;
    } else {
      out += static_cast<char>(byte);
    }
  }
  return out;
}

}  // namespace clipsweep
