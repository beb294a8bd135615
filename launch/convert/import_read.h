// The first half of an import: the source's arrays, right way round, with what they are called.
#pragma once

#include <string>
#include <vector>

#include "launch/convert/class_choice.h"
#include "launch/convert/import.h"
#include "launch/convert/layout.h"

namespace clipsweep {

// What was read, before classes are chosen.
struct ReadArrays {
  LabelledRows rows;  // of text: without labels
  ClassChoice choice;
  bool rows_are_chosen = false;  // of text: its rows are those of choice.index already
  std::string where;             // the array of the rows, for errors
  Provenance made_from;
};

// `notes` gets what was turned. Throws InputError, and UsageError for options that the source has
// no use for.
ReadArrays ReadSource(const ImportConfig& config, std::vector<std::string>& notes);

}  // namespace clipsweep
