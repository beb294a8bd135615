// Whether the numbers of a results.json can be those of one experiment. Its seal says nothing about
// that: anybody can make one.
#pragma once

#include <filesystem>

#include "launch/options/command.h"

namespace clipsweep {

// `results` of the present schema (ReadResults brings earlier ones to it). Types, ranges and
// everything that follows from something else in the file: accuracies from counts, rows from cells,
// means and half-widths from rows, cells from the lists of shots and seeds, counts of classes, bins
// and confusions from one another. Throws InputError naming the file and the field.
void CheckResultsAgree(const std::filesystem::path& path, const Json& results);

}  // namespace clipsweep
