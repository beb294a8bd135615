// Ends the job when a rank hangs, is lost, or the launcher is gone. A thread of its own sends a
// heartbeat every second at most (a tenth of a short limit) over a communicator of its own, from
// every rank to rank 0 and from rank 0 to all, and lets a StallJudge look at what came.
#pragma once

#include <mpi.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>

namespace clipsweep {

class Watchdog {
 public:
  // `comm`: MPI_COMM_NULL for a process on its own. Under MPI collective: the communicator is
  // duplicated. `on_stall`, called once on the watchdog's thread with one line ("" when the
  // launcher is gone and nobody reads it), must end the process.
  Watchdog(MPI_Comm comm, std::chrono::milliseconds limit,
           std::function<void(const std::string& message)> on_stall);
  ~Watchdog();  // stops the thread; calls no MPI
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  // Collective, before MPI_Finalize: after it nobody watches and no heartbeat is under way.
  void Stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// After MPI_Abort a launcher whose network is broken can wait for its other hosts for a quarter of
// an hour. Leaves behind a process that, after `grace`, kills this one's launcher if it is Open
// MPI's and still there.
void KillLauncherAfter(std::chrono::seconds grace);

}  // namespace clipsweep
