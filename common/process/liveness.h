// What this process is doing and whether it gets on, for the watchdog. Like the log, one state for
// the whole process.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace clipsweep {

struct Liveness {
  std::int64_t progress = 0;  // rises with every piece of work done
  bool waiting = false;       // for other ranks: no progress of its own is expected
  std::string stage;          // "extract: encode"
};

// The borders of stages, as "extract: encode". Main thread. Counts as progress.
void EnterStage(std::string_view stage);
// A piece of work of at most a few seconds is done. Any thread; costs an addition.
void MadeProgress();

// Units of the stage at hand that this rank has worked through (images, samples, classes), since
// the start of the process: what throughput of a rank is told from. Any thread.
void DidWork(std::int64_t units);
std::int64_t WorkDone();

// While one exists the process waits for other ranks. Main thread.
class WaitingForRanks {
 public:
  WaitingForRanks();
  ~WaitingForRanks();
  WaitingForRanks(const WaitingForRanks&) = delete;
  WaitingForRanks& operator=(const WaitingForRanks&) = delete;
};

Liveness ReadLiveness();  // any thread

// Called at each border with the stage entered: tests make a rank throw, hang or die there.
void SetStageObserver(std::function<void(std::string_view stage)> observer);

}  // namespace clipsweep
