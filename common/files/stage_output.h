// What every stage does with its output file before it computes.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "common/comm/comm.h"
#include "common/disk/output_lock.h"
#include "common/files/provenance.h"

namespace clipsweep {

struct StageOutput {
  std::unique_ptr<OutputLock> lock;  // rank 0, until the stage ends
  bool up_to_date = false;           // the file is there, made from the same input, and to be kept
};

// Collective. All ranks must see the same input; rank 0 locks the output and looks at what is on
// disk. Throws AgreedError on every rank when inputs differ, another job writes the output, or it
// was made otherwise and `if_present` says to keep such files. Beside an output that is up to date
// no OUT.parts is left.
StageOutput OpenOutput(Comm& comm, const std::filesystem::path& path, const std::string& format,
                       const Provenance& made_from, IfPresent if_present);

}  // namespace clipsweep
