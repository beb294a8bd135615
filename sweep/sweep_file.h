// sweep.h5: counts over the grid; see docs/file-formats.md.
#pragma once

#include <filesystem>

#include "common/files/provenance.h"
#include "sweep/sweep_job.h"

namespace clipsweep {

struct SweepData {
  std::vector<double> alpha, beta;
  std::vector<std::int64_t> shots, seeds;
  std::vector<std::int64_t> top1, top5;  // [S, R, B, A]
  std::vector<ExactAlpha> exact;         // [S, R, B] or empty
  SweepResult result;
};

// Fills exact and exact_beta of the cell of shots s and seed r: the first best of its betas.
void TakeExact(const SweepData& data, std::size_t s, std::size_t r, SweepCell& cell);

void WriteSweepFile(const std::filesystem::path& path, const SweepData& data);

// Throws InputError for a file that is damaged or none of ours.
SweepData ReadSweepData(const std::filesystem::path& path);

}  // namespace clipsweep
