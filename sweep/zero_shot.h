// Zero-shot classification: argmax of 100 f W^T.
#pragma once

#include "common/comm.h"
#include "common/device.h"
#include "sweep/problem.h"

namespace clipsweep {

// Samples whose label is first and among the first 5; equal logits go to the lower class.
// Collective.
TopCounts CountZeroShot(const Problem& problem, const Queries& queries, const Compute& compute,
                        Comm& comm);

}  // namespace clipsweep
