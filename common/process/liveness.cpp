#include "common/process/liveness.h"

#include <atomic>
#include <mutex>

namespace clipsweep {
namespace {

std::atomic<std::int64_t> g_progress{0};
std::atomic<std::int64_t> g_work{0};
std::atomic<int> g_waiting{0};
std::mutex g_mutex;  // of what follows
std::string g_stage = "start";
std::function<void(std::string_view)> g_observer;

}  // namespace

void EnterStage(std::string_view stage) {
  MadeProgress();
  std::function<void(std::string_view)> observer;
  {
    const std::lock_guard lock(g_mutex);
    g_stage = stage;
    observer = g_observer;
  }
  if (observer) observer(stage);
}

void MadeProgress() { g_progress.fetch_add(1, std::memory_order_relaxed); }

void DidWork(std::int64_t units) {
  MadeProgress();
  g_work.fetch_add(units, std::memory_order_relaxed);
}

std::int64_t WorkDone() { return g_work.load(); }

WaitingForRanks::WaitingForRanks() { ++g_waiting; }

WaitingForRanks::~WaitingForRanks() {
  MadeProgress();
  --g_waiting;
}

Liveness ReadLiveness() {
  const std::lock_guard lock(g_mutex);
  return {g_progress.load(), g_waiting.load() > 0, g_stage};
}

void SetStageObserver(std::function<void(std::string_view stage)> observer) {
  const std::lock_guard lock(g_mutex);
  g_observer = std::move(observer);
}

}  // namespace clipsweep
