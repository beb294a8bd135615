// verify --repair: a damaged features.h5 made whole again by computing only the shards that have
// lost rows.
#pragma once

#include <string>

#include "common/comm/comm.h"
#include "common/compute/device.h"
#include "extract/extract_job.h"

namespace clipsweep {

struct RepairConfig {
  // `out` is the damaged file. Model, images, list and class names as it was made with; dtype,
  // batch, views, seed, precision and activation are read from it.
  ExtractConfig job;
};

struct RepairResult {
  std::string damage;  // what was damaged, in words
  std::int64_t shards = 0, shards_computed = 0;
  bool identical = false;  // the bytes are those it was sealed with; else the content is equal
};

// Collective. The rows whose checksums hold become shards again, the others are computed, into
// OUT.repaired, which is held against the hashes the file was made with: rows a checksum wrongly
// let through are found, and then everything is computed. Only a file found to be the damaged one
// replaces it. Throws InputError when the file does not say any more how
// it was made, or model or images are not those it was made from.
RepairResult RunRepair(const RepairConfig& config, const Compute& compute, Comm& comm);

}  // namespace clipsweep
