// Who started this process: an MPI launcher, Slurm's srun, or nobody in particular.
#pragma once

#include <string>

namespace clipsweep {

// mpirun, or srun with an MPI plugin.
bool UnderMpiLauncher();

// A program that srun or a batch job of several tasks started, of `ranks` ranks as MPI has it (1
// without MPI). Throws UsageError when it is one of several of a job step that do not know of one
// another; all would do the same work and write the same files. Else returns a warning when the
// job has several tasks and this program uses one of them, or "".
std::string CheckAlone(int ranks, const std::string& command);

}  // namespace clipsweep
