// The parts of the report, each a <section>, empty where a run has nothing to show.
#pragma once

#include <string>

#include "launch/report/data.h"

namespace clipsweep {

// sections_results.cpp
std::string SummarySection(const ReportData& data);
std::string TableSection(const ReportData& data);
std::string ShotsSection(const ReportData& data);
std::string PromptsSection(const ReportData& data);
std::string GridSection(const ReportData& data);
std::string TrainingSection(const ReportData& data);
// sections_methods.cpp
std::string MethodsSection(const ReportData& data);
// sections_classes.cpp
std::string ClassesSection(const ReportData& data);
std::string ConfusionSection(const ReportData& data);
std::string CalibrationSection(const ReportData& data);
std::string GallerySection(const ReportData& data);
std::string MapSection(const ReportData& data);
// sections_run.cpp
std::string TimeSection(const ReportData& data);
std::string ProvenanceSection(const ReportData& data);

// Whether published ImageNet figures may stand beside these.
bool IsImageNet(const Json& results);

// "<section id=..><h2>..</h2>" + body + "</section>", or nothing for an empty body.
std::string Section(const std::string& id, const std::string& title, const std::string& body);
// " (tuned on test)" as a mark that cannot be overlooked, or "".
std::string TunedMark(const Json& results);

}  // namespace clipsweep
