// RUN/results.json: every number of an experiment, the same bytes for the same inputs (schema:
// docs/results.schema.json). RUN/run.json: what is not, times and where images or features were.
#pragma once

#include <filesystem>
#include <string>

#include "launch/experiment/config.h"
#include "launch/options/command.h"

namespace clipsweep {

inline constexpr const char* kResultsSchema = "clipsweep-results-2";
// Read too: the first schema wrote 0 where there is no half-width of an interval, and for bins
// without images.
inline constexpr const char* kFirstResultsSchema = "clipsweep-results-1";
inline constexpr const char* kRunSchema = "clipsweep-run-1";

// Reads the run's files, which must be whole. Throws InputError.
Json MakeResults(const ExperimentConfig& config, const ExperimentResult& result);

// Method, templates, shots, accuracies by seed, mean and half-width of the 95 % interval (null for
// a single value), a row each.
Json RowsJson(const ExperimentResult& result);

// Sealed: the member sha256 is that of the file with 64 zeros in its place.
void WriteResults(const std::filesystem::path& path, const Json& results);
// As the present schema has it. Throws InputError naming the file when it was changed since, is of
// a newer schema, or has members whose sizes or numbers do not fit one another: a seal can be made
// by anybody.
Json ReadResults(const std::filesystem::path& path);

// Throws InputError when `json` is of neither schema.
void CheckSchema(const std::filesystem::path& path, const Json& json, const std::string& schema,
                 const std::string& earlier = "");

// Adds this run's times: stages that were reused keep those of the run that made them. `finished`:
// stages that are no longer part of the experiment are dropped.
void UpdateRunFile(const ExperimentConfig& config, const std::string& device,
                   const ExperimentResult& result, bool finished);
// Sealed as results.json is; one that an earlier version wrote has no seal and is taken as it is.
// An empty object when there is none. Throws InputError.
Json ReadRunFile(const std::filesystem::path& path);

// Whether a file that results.json names (a member of `files`) was there before and is not in the
// run folder; whether any is.
bool IsStored(const Json& file);
bool IsFromFeatures(const Json& results);
// The folder of those, by run.json; "" where it does not say. Throws InputError.
std::filesystem::path StoredFolder(const std::filesystem::path& run_file, const Json& run);

// What a stage took: seconds, items, unit, ranks [{seconds, cpu_seconds, items}].
Json StageJson(const StageTime& stage);

}  // namespace clipsweep
