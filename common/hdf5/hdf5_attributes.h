// The attributes of a file's root group, looked at byte by byte: HDF5 1.10 believes the sizes that
// stand in them and reads, or crashes, beyond their ends.
#pragma once

#include <filesystem>
#include <string>

namespace clipsweep::hdf5 {

// What is wrong with the sizes of an attribute, of the header that lists them, or of the file
// around it; "" for nothing. Takes the layout that clipsweep and h5py write by default: superblock
// 0, object header 1, attribute messages 1 to 3.
std::string AttributeProblem(const std::filesystem::path& path);

}  // namespace clipsweep::hdf5
