#include "common/signals.h"

#include <csignal>

#include "common/error.h"

namespace clipsweep {
namespace {

volatile std::sig_atomic_t g_signal = 0;

void OnSignal(int signal) {
  g_signal = signal;
  std::signal(signal, SIG_DFL);
}

}  // namespace

void InstallSignalHandlers() {
  std::signal(SIGINT, OnSignal);
  std::signal(SIGTERM, OnSignal);
  std::signal(SIGXFSZ, SIG_IGN);  // a file over the limit is a failed write, not a death
}

bool IsInterrupted() { return g_signal != 0; }

void ThrowIfInterrupted() {
  if (g_signal != 0) throw Interrupted(g_signal);
}

}  // namespace clipsweep
