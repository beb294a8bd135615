// clipsweep with a rank that fails at the border of a stage, for tests/fault/test_ranks.py:
//   CLIPSWEEP_TEST_FAULT="KIND RANK STAGE"   KIND: throw, kill, stop, sleep or list
// `sleep` takes three seconds more, for tests of the nightly run. `list` writes the stages the rank
// enters to stderr, one a line, and fails nowhere.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>

#include <signal.h>

#include "common/process/liveness.h"
#include "launch/commands/program.h"

int main(int argc, char** argv) {
  const char* fault = std::getenv("CLIPSWEEP_TEST_FAULT");
  const char* mpi_rank = std::getenv("OMPI_COMM_WORLD_RANK");
  std::string kind, rank, stage;
  if (fault != nullptr) {
    std::istringstream words(fault);
    words >> kind >> rank >> std::ws;
    std::getline(words, stage);
  }
  if (!kind.empty() && rank == (mpi_rank != nullptr ? mpi_rank : "0")) {
    clipsweep::SetStageObserver([=](std::string_view entered) {
      if (kind == "list") {
        std::fprintf(stderr, "stage %s\n", std::string(entered).c_str());
        return;
      }
      if (entered != stage) return;
      if (kind == "sleep") {
        std::this_thread::sleep_for(std::chrono::seconds(3));
        return;
      }
      if (kind == "throw") throw std::runtime_error("thrown by the test");
      ::raise(kind == "kill" ? SIGKILL : SIGSTOP);
    });
  }
  return clipsweep::RunProgram(argc, argv);
}
