// Who started this process: an MPI launcher, Slurm's srun, or nobody in particular.
#pragma once

#include <string>

namespace clipsweep {

// mpirun, or srun with an MPI plugin.
bool UnderMpiLauncher();

// A program that srun or a batch job of several tasks started, of `ranks` ranks as MPI has it (1
// without MPI). Throws UsageError when it is one of several of a job step that do not know of one
// another and its command `shares_work` between ranks: each would do all of it and write the same
// files. CLIPSWEEP_ALONE in the environment says that this is meant. Else returns a warning when
// the job has several tasks and this program uses one of them, or "".
std::string CheckAlone(int ranks, const std::string& command, bool shares_work);

}  // namespace clipsweep
