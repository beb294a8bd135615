// Images of train that choose alpha, beta and epoch where there are none for that: by rows of a
// list of pictures, or of features.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common/comm/comm.h"
#include "common/files/provenance.h"
#include "launch/experiment/config.h"

namespace clipsweep {

// Rows, class by class, in the order in which they were drawn.
struct HeldOut {
  std::vector<std::int64_t> keys, val;
};

// Of each class min(largest shot count, 4) rows, at most half of them, drawn by `config.seed`.
// `source`: what has the rows; `instead`: what to do where they are too few, for the messages.
// Throws InputError.
HeldOut HoldOut(const ExperimentConfig& config, const std::vector<std::int32_t>& labels,
                const std::vector<std::string>& classes, const std::string& source,
                const std::string& instead);

// Where the rows are those of a feature file.
inline constexpr const char* kInsteadOfHoldingOut = "put a val.h5 beside it, or give --tune test";

enum class HoldOutPart { kKeys, kVal };

// From a feature file the rows of one part -> a feature file. Keys keep all views.
struct HoldOutJob {
  const ExperimentConfig& config;
  std::filesystem::path from, out;
  HoldOutPart part = HoldOutPart::kKeys;
  IfPresent if_present = IfPresent::kReplaceIfOther;
};

// made_from of such a file: the seal of what it is a part of.
inline constexpr const char* kHeldOutOf = "held_out_of_sha256";

// Throws InputError.
Provenance HoldOutProvenance(const HoldOutJob& job);

// True: the file was up to date. Collective.
bool RunHoldOut(const HoldOutJob& job, Comm& comm);

}  // namespace clipsweep
