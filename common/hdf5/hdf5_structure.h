// What an HDF5 file may be made of. HDF5 can send a reader to other files (external links, external
// storage, virtual data sets), load code (filters) and crash over numbers that contradict one
// another; a seal says nothing about that, for anybody can make one.
#pragma once

#include <filesystem>

#include "common/hdf5/hdf5_file.h"

namespace clipsweep::hdf5 {

// Opens for reading, without locks: not every file system has them, and finished files do not
// change. The environment variable HDF5_USE_FILE_LOCKING decides where it is set.
H5Id OpenForReading(const std::filesystem::path& path);

// Throws InputError naming the file and the part unless it is made of what H5Writer and the import
// script make: a root group of hard links to data sets of integers, floats or fixed-width texts,
// stored in the file, whole, contiguous or in chunks with Fletcher-32; attributes of one number or
// text. A child process opens every part that readers open, looks up every chunk and reads every
// attribute, so that what crashes HDF5 or keeps it busy ends the child alone. No data is read.
// What is no fault of the file (no process can be
// started, a disk that does not answer) is an Error of another code than kBadInput: such a file is
// not to be replaced.
void CheckStructure(const std::filesystem::path& path);

}  // namespace clipsweep::hdf5
