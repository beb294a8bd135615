// What people look at after a sweep: a table for their own plots and a page with heat maps. Both
// are made from the sweep file's content alone.
#pragma once

#include <filesystem>
#include <string>

#include "sweep/sweep_file.h"

namespace clipsweep {

// One line a grid point: shots, subset_seed, alpha, beta, top1, top5, samples, tuned_on.
void WriteSweepCsv(const std::filesystem::path& path, const SweepData& data);

// The map of one shot count (by its place) in at most `most_cells` cells, for a page with
// kChartStyle.
std::string HeatMapFigure(const SweepData& data, std::size_t shots, std::size_t most_cells);

// For each shot count the mean accuracy over subsets: alpha across, beta down, the best cell and
// the plateau marked. A plateau's cells keep 95 % of the best cell's gain over zero-shot. Grids of
// more than 20,000 points show the best of neighbouring ones.
std::string HeatMapPage(const SweepData& data);

}  // namespace clipsweep
