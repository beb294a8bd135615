// Finished shards -> features.h5.
#pragma once

#include <cstdint>
#include <vector>

#include "extract/shard_encoder.h"
#include "extract/shard_store.h"

namespace clipsweep {

struct MergedShards {
  std::int64_t skipped = 0;
  std::vector<FileStamp> stamps;  // of all pictures of the list, as they were before they were read
};

// Joins the shards into OUT in list order without holding all features in memory. Throws InputError
// when one is not there or not one image could be read.
MergedShards MergeShards(const ExtractConfig& config, const ExtractPlan& plan,
                         const ShardStore& store);

}  // namespace clipsweep
