// NumPy's .npz: a zip archive of .npy files.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "launch/convert/array.h"
#include "launch/convert/zip_archive.h"

namespace clipsweep {

// The names of its arrays: entries called NAME.npy.
std::vector<std::string> NpzNames(const ZipArchive& archive);

// `where` names file and array. Throws InputError.
Array ReadNpzArray(const ZipArchive& archive, const std::string& name, const std::string& where);

// The array of an .npy file.
Array ReadNpyFile(const std::filesystem::path& path);

}  // namespace clipsweep
