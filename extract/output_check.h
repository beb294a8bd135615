// What an extraction finds at its output: whether the file there is what it would make, and, where
// it is not, which pictures make the difference.
#pragma once

#include <string>
#include <vector>

#include "common/data/image_list.h"
#include "extract/extract_job.h"
#include "extract/pipeline/shard_encoder.h"

namespace clipsweep {

// What became of the pictures of a feature file; paths in byte order.
struct ListChanges {
  std::vector<std::string> added, removed;
  std::vector<std::string> changed;  // other content under the same path
  std::vector<std::string> moved;    // of another class now
  std::vector<std::string> classes_added, classes_removed;
  bool reordered = false;  // the same classes in another order
};
ListChanges CompareLists(const H5Reader& file, const ImageList& list);

// "1 added (cat/new.jpg), 5 removed (dog/1.jpg, dog/2.jpg, dog/3.jpg, ..)"; "" for no change.
std::string DescribeListChanges(const ListChanges& changes);

// How OUT, which is there, differs from what would be made now: pictures by name, all else as
// Difference has it; "" when it is up to date. Throws Error naming the option or file, also when
// OUT lacks more unreadable pictures than `config` allows.
std::string ExtractDifference(const ExtractConfig& config, const Compute& compute);

// Throws InputError when OUT is there, was made otherwise and is to be kept. A damaged OUT passes:
// whoever reads it says so.
void RefuseOtherOutput(const ExtractConfig& config, const ExtractPlan& plan);

// What was made with `skip` is not what `fail` asks for.
void RefuseSkipped(const ExtractConfig& config, std::int64_t skipped);

}  // namespace clipsweep
