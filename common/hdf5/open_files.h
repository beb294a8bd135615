// The HDF5 files that this process has open for reading. However many readers a file has, it is
// opened once and its seal checked once, for as long as nobody changes or replaces it. Main thread
// only, as HDF5 is.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "common/hdf5/hdf5_file.h"

namespace clipsweep::hdf5 {

struct OpenFile {
  H5Id id;
  std::string seal;  // "" until it has been checked
};

// Throws InputError naming the file: it cannot be opened, is damaged (unless `seal` asks for no
// check) or made of what no file of ours is made of.
std::shared_ptr<const OpenFile> OpenOnce(const std::filesystem::path& path, Seal seal);

}  // namespace clipsweep::hdf5
