// The grid kernel's launch on the CPU: every thread of every block, phase by phase.
#pragma once

#include <vector>

#include "sweep/engine/grid_kernel.h"

namespace clipsweep::testing {

// kThreads fewer than a cache_model's classes, so that threads take several.
template <int kThreads>
const char* HostLaunch(const GridKernelArgs& args, int) {
  std::vector<std::int64_t> memory(
      static_cast<std::size_t>(SharedBytes(args.chunk, args.alpha_count)) / 8 + 1);
  for (int chunk = 0; chunk < args.runs * (kRunBetas / args.chunk); ++chunk) {
    for (int shot = 0; shot < args.shot_counts; ++shot) {
      for (int sample = 0; sample < args.samples; ++sample) {
        const auto place = grid_kernel::PlaceOf(args, sample, shot, chunk);
        if (place.betas <= 0) continue;
        const GridShared shared = SharedAt(memory.data(), args.chunk);
        for (int phase = 0; phase < kGridPhases; ++phase) {
          for (int thread = 0; thread < kThreads; ++thread) {
            GridPhase(phase, args, place, shared, thread, kThreads);
          }
        }
      }
    }
  }
  return nullptr;
}

}  // namespace clipsweep::testing
