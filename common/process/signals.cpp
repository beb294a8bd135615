#include "common/process/signals.h"

#include <signal.h>

#include <csignal>

#include "common/process/error.h"

namespace clipsweep {
namespace {

volatile std::sig_atomic_t g_signal = 0;

void OnSignal(int signal) { g_signal = signal; }

}  // namespace

void InstallSignalHandlers() {
  struct sigaction action {};
  action.sa_handler = OnSignal;
  action.sa_flags = SA_RESETHAND;  // no SA_RESTART: a call that waits ends with EINTR
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  std::signal(SIGXFSZ, SIG_IGN);  // a file over the limit is a failed write, not a death
}

bool IsInterrupted() { return g_signal != 0; }

void ThrowIfInterrupted() {
  if (g_signal != 0) throw Interrupted(g_signal);
}

}  // namespace clipsweep
