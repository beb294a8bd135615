#include "launch/experiment/stage_clock.h"

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "common/process/clock.h"
#include "common/process/liveness.h"

namespace clipsweep {
namespace {

constexpr double kMicro = 1e-6;

std::int64_t Microseconds(double seconds) { return std::llround(seconds / kMicro); }

}  // namespace

double StageTime::seconds() const {
  double most = 0;
  for (const Rank& rank : ranks) most = std::max(most, rank.seconds);
  return most;
}

std::int64_t StageTime::items() const {
  std::int64_t sum = 0, most = 0;
  for (const Rank& rank : ranks) {
    sum += rank.items;
    most = std::max(most, rank.items);
  }
  return shared_work ? most : sum;
}

StageClock::StageClock(StageTime time)
    : time_(std::move(time)),
      started_(std::chrono::steady_clock::now()),
      cpu_started_(CpuSeconds()),
      work_started_(WorkDone()) {}

StageTime StageClock::Stop(bool reused, Comm& comm) {
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count();
  const std::array<std::int64_t, 3> mine = {
      Microseconds(seconds), Microseconds(CpuSeconds() - cpu_started_), WorkDone() - work_started_};
  for (const auto& rank : comm.Gather(mine)) {
    time_.ranks.push_back(
        {static_cast<double>(rank[0]) * kMicro, static_cast<double>(rank[1]) * kMicro, rank[2]});
  }
  time_.reused = reused;
  time_.ended = UtcNow();
  return time_;
}

double CpuSeconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * kMicro;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace clipsweep
