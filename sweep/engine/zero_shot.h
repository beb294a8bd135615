// Zero-shot classification: argmax of 100 f W^T.
#pragma once

#include "common/comm/comm.h"
#include "common/compute/device.h"
#include "sweep/math/cache_model.h"

namespace clipsweep {

// Samples whose label is first and among the first 5; equal logits go to the lower class.
// Collective.
TopCounts CountZeroShot(const CacheModel& cache_model, const Queries& queries,
                        const Compute& compute, Comm& comm);

}  // namespace clipsweep
