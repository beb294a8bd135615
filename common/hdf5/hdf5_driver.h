// HDF5 on our FileSystem: a virtual file driver for writing. HDF5 cannot release what it holds
// after a write that failed (it was measured to crash), so it never sees one: the first failure is
// kept and what follows is swallowed. The writer looks at the failure after each step.
#pragma once

#include <hdf5.h>

#include <string>

namespace clipsweep::hdf5 {

// How the writing of one file has gone. Outlives the file.
struct WriteState {
  std::string failure;  // "write failed: No space left on device", "" while all is well
};

// A file-access property list that makes H5Fcreate write through Files() and report to `state`.
// The caller closes it.
hid_t MakeWriteAccess(WriteState* state);

}  // namespace clipsweep::hdf5
