// Which collectives a run uses: NCCL when every rank has a GPU of its own, MPI otherwise.
#pragma once

#include <memory>
#include <string>

#include "common/comm/comm.h"
#include "common/compute/device.h"

namespace clipsweep {

// `wanted`: auto, mpi or nccl. nullptr: stay with `world`. Collective. With auto, ranks that share
// a GPU (where NCCL refuses) stay with MPI and rank 0 says so. Throws UsageError when nccl is
// wanted and cannot be. `stall_timeout`: seconds that a collective of NCCL may take, 0: a day.
std::unique_ptr<Comm> ChooseComm(const std::string& wanted, const Compute& compute, int local_size,
                                 double stall_timeout, Comm& world);

}  // namespace clipsweep
