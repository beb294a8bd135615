#include "common/process/clock.h"

#include <unistd.h>

#include <array>

namespace clipsweep {

std::time_t ParseUtc(const std::string& text) {
  std::tm time{};
  return ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%SZ", &time) == nullptr ? 0 : ::timegm(&time);
}

std::string FormatUtc(std::time_t seconds, const char* format) {
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  std::array<char, 40> text{};
  std::strftime(text.data(), text.size(), format, &utc);
  return text.data();
}

std::string UtcNow() { return FormatUtc(std::time(nullptr)); }

std::string HostName() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

}  // namespace clipsweep
