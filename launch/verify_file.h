// Whether a file of any kind is whole: seal, format and version, shapes, finite values, labels and
// counts within their bounds, provenance.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace clipsweep {

// Returns the file's format. Throws InputError naming the file and the damaged part.
std::string VerifyFile(const std::filesystem::path& path);

// Files as given; of a folder every .h5 below it, in byte order. Throws InputError for a folder
// without any.
std::vector<std::string> FilesToVerify(const std::vector<std::string>& given);

}  // namespace clipsweep
