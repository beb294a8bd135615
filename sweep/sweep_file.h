// sweep.h5: counts over the grid; see docs/file-formats.md.
#pragma once

#include <filesystem>

#include "common/provenance.h"
#include "sweep/sweep_job.h"

namespace clipsweep {

struct SweepData {
  Axis alpha, beta;
  std::vector<std::int64_t> shots, seeds;
  std::vector<std::int64_t> top1, top5;  // [S, R, B, A]
  SweepResult result;
  Provenance made_from;
};

void WriteSweepFile(const std::filesystem::path& path, const SweepData& data);

}  // namespace clipsweep
