// Whether a file of any kind that clipsweep keeps is whole, whatever it is called: of sealed files
// seal, format and version, shapes, finite values, labels and counts within their bounds,
// provenance; of a run's results.json and run.json their seals, and whether the files they name are
// those; of a history its tables, pages and rows.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace clipsweep {

// Returns the file's format. Throws InputError naming the file and the damaged part.
std::string VerifyFile(const std::filesystem::path& path);

// Files as given; of a folder every file of ours below it, in byte order; links are not followed.
// Throws InputError for a folder without any.
std::vector<std::string> FilesToVerify(const std::vector<std::string>& given);

}  // namespace clipsweep
