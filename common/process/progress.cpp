#include "common/process/progress.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "common/process/log.h"

namespace clipsweep {
namespace {

bool g_disabled = false;
constexpr double kTerminalEvery = 0.2, kLogEvery = 10.0;  // seconds

}  // namespace

void DisableProgress() { g_disabled = true; }

Progress::Progress(std::string label, std::string unit, std::int64_t total, bool enabled)
    : label_(std::move(label)),
      unit_(std::move(unit)),
      total_(total),
      enabled_(enabled && !g_disabled),
      terminal_(::isatty(STDERR_FILENO) != 0),
      started_(Clock::now()),
      last_(started_) {}

Progress::~Progress() {
  if (drawn_ && terminal_) std::fputs("\r\033[K", stderr);
}

void Progress::Update(std::int64_t done, const std::string& note) {
  if (!enabled_) return;
  const Clock::time_point now = Clock::now();
  const double since = std::chrono::duration<double>(now - last_).count();
  if (since < (terminal_ ? kTerminalEvery : kLogEvery)) return;
  last_ = now;
  Draw(done, note, std::chrono::duration<double>(now - started_).count());
}

void Progress::Draw(std::int64_t done, const std::string& note, double seconds) {
  const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
  const double left = rate > 0 ? static_cast<double>(total_ - done) / rate : 0;
  const std::string figures =
      fmt::format("{}/{} {}, {:.1f}/s, {} left{}{}", done, total_, unit_, rate,
                  done > 0 ? FormatSeconds(left) : "?", note.empty() ? "" : ", ", note);
  if (!terminal_) {
    LogInfo("{}: {}", label_, figures);
    return;
  }
  constexpr int kWidth = 24;
  const double part = total_ > 0 ? static_cast<double>(done) / static_cast<double>(total_) : 1.0;
  const int full = std::clamp(static_cast<int>(part * kWidth), 0, kWidth);
  const std::string line =
      fmt::format("\r\033[K{} [{}{}] {}", Printable(label_), std::string(full, '#'),
                  std::string(kWidth - full, '.'), Printable(figures));
  std::fputs(line.c_str(), stderr);
  std::fflush(stderr);
  drawn_ = true;
}

std::string FormatSeconds(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::ceil(std::max(0.0, seconds)));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

}  // namespace clipsweep
