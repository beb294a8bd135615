// The report: one page that needs no network and runs no script, and the table as CSV.
#pragma once

#include <string>

#include "launch/report/data.h"

namespace clipsweep {

std::string ReportPage(const ReportData& data);

// method, templates, shots, subsets, top1_mean, top1_half_width_95, top5_mean, top5_half_width_95,
// tuned_on, published; accuracies in percent.
std::string ReportCsv(const ReportData& data);

}  // namespace clipsweep
