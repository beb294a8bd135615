// Finished shards -> features.h5.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "extract/pipeline/extract_plan.h"
#include "extract/pipeline/shard_store.h"

namespace clipsweep {

struct MergedShards {
  std::int64_t skipped = 0;
  std::vector<FileStamp> stamps;  // of all pictures of the list, as they were before they were read
};

// Joins the shards into `out` in list order without holding all features in memory. Throws
// InputError when one is not there or not one image could be read.
MergedShards MergeShards(const ExtractPlan& plan, const ShardStore& store,
                         const std::filesystem::path& out);

}  // namespace clipsweep
