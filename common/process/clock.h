// Times of day as files hold them, and the machine's name.
#pragma once

#include <ctime>
#include <string>

namespace clipsweep {

// "2026-11-24T02:00:00Z"; 0 for a text of another form.
std::time_t ParseUtc(const std::string& text);
std::string FormatUtc(std::time_t seconds, const char* format = "%Y-%m-%dT%H:%M:%SZ");
std::string UtcNow();

std::string HostName();

}  // namespace clipsweep
