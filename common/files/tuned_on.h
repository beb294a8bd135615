// What chose a classifier's settings (alpha, beta, epoch): the label of every number that stands on
// them.
#pragma once

#include <string>

#include "common/hdf5/hdf5_file.h"

namespace clipsweep {

enum class TunedOn { kNone, kVal, kSplit, kTest };

// "none", "val", "split" (images held out of the cache) or "test".
const char* TunedOnName(TunedOn tuned_on);

// The attribute "tuned_on". The reader throws InputError for another word.
void WriteTunedOn(H5Writer& file, TunedOn tuned_on);
TunedOn ReadTunedOn(const H5Reader& file);

}  // namespace clipsweep
