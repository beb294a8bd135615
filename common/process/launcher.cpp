#include "common/process/launcher.h"

#include <fmt/core.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "common/process/error.h"

namespace clipsweep {
namespace {

bool IsSet(const char* name) { return std::getenv(name) != nullptr; }

long Number(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? 0 : std::strtol(value, nullptr, 10);
}

}  // namespace

bool UnderMpiLauncher() {
  // Set by Open MPI's mpirun, PMIx launchers (srun --mpi=pmix) and PMI-1/2 launchers in turn.
  return IsSet("OMPI_COMM_WORLD_SIZE") || IsSet("PMIX_RANK") || IsSet("PMI_RANK");
}

std::string CheckAlone(int ranks, const std::string& command, bool shares_work) {
  // mpirun's own ranks may be below a step of one srun for each host.
  if (ranks > 1 || IsSet("OMPI_COMM_WORLD_SIZE") || IsSet("CLIPSWEEP_ALONE") || !shares_work)
    return "";
  const long job = Number("SLURM_NTASKS");
  const long tasks_of_step = IsSet("SLURM_STEP_NUM_TASKS") ? Number("SLURM_STEP_NUM_TASKS") : job;
  const long step = IsSet("SLURM_STEP_ID") ? tasks_of_step : 0;
  const auto advice = [&](long tasks) {
    return fmt::format("srun --mpi=pmix -n {} clipsweep {} ..., or mpirun -np {} clipsweep {} ...",
                       tasks, command, tasks, command);
  };
  if (step > 1) {
    if (Number("SLURM_PROCID") > 0) {  // the first one speaks, before Slurm ends all for our exit
      std::this_thread::sleep_for(std::chrono::seconds(1));
      std::_Exit(static_cast<int>(ExitCode::kUsage));
    }
    throw UsageError(fmt::format(
        "srun started this program {} times and each would work alone (no MPI came "
        "with them); type "
        "{}; for one process: srun -n 1; where each has its own files: set CLIPSWEEP_ALONE=1",
        step, advice(step)));
  }
  if (job <= 1) return "";
  return fmt::format("this Slurm job has {} tasks, this program runs as one; for all of them: {}",
                     job, advice(job));
}

}  // namespace clipsweep
