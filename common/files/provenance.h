// What a file was made from. Kept as text attributes "made_from.<name>" on every file, compared
// before a file is reused: equal provenance means the same content would be computed again.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "common/comm/comm.h"
#include "common/hdf5/hdf5_file.h"

namespace clipsweep {

inline constexpr const char* kVersion = CLIPSWEEP_VERSION;

using Provenance = std::map<std::string, std::string>;

// The hash of all pictures' bytes, in features.h5. It is known only once they have been read, so
// Difference compares it only where both sides have it.
inline constexpr const char* kImagesSha256 = "images_sha256";

// Attributes every file has: format ("clipsweep-features"), format_version, program_version.
void WriteHeader(H5Writer& file, const std::string& format, const Provenance& made_from);
// Throws InputError when `file` is of another format or a version this program does not know.
void CheckHeader(const H5Reader& file, const std::string& format);
std::string FormatOf(const H5Reader& file);
Provenance ReadProvenance(const H5Reader& file);

// "" when equal, else "model_sha256 was ab.., now cd..; ..." for an error message.
std::string Difference(const Provenance& before, const Provenance& now);

// Throws AgreedError on every rank unless all ranks see the input alike: one that finds other
// images or another device would add rows that do not belong. Collective.
void RequireSameOnAllRanks(Comm& comm, const Provenance& made_from);

// What to do with an output that is on disk already.
enum class IfPresent {
  kReuse,           // keep it if made from the same input, refuse to touch it if not
  kReplaceIfOther,  // keep it if made from the same input, make it again if not
  kRecompute,       // make it again
};

// True: `path` has this format and provenance, its seal holds, and it is to be kept. False: it is
// to be made. Under kReuse a file made from other input throws InputError naming what differs.
bool IsUpToDate(const std::filesystem::path& path, const std::string& format,
                const Provenance& made_from, IfPresent if_present);

}  // namespace clipsweep
