// What a stage took, rank by rank; kept in RUN/timings.json, apart from results, which must not
// depend on times.
#pragma once

#include <chrono>
#include <string>

#include "common/comm/comm.h"
#include "launch/experiment/config.h"

namespace clipsweep {

class StageClock {
 public:
  // `time`: what is known of the stage before it runs.
  explicit StageClock(StageTime time);
  StageTime Stop(bool reused, Comm& comm);  // collective; the ranks' figures are on rank 0

 private:
  StageTime time_;
  std::chrono::steady_clock::time_point started_;
  double cpu_started_;
  std::int64_t work_started_;
};

// Seconds of processor time of this process so far, all threads.
double CpuSeconds();

}  // namespace clipsweep
