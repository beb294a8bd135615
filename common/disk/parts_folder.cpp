#include "common/disk/parts_folder.h"

#include <fmt/core.h>

#include <algorithm>
#include <string_view>
#include <system_error>

#include "common/disk/atomic_file.h"
#include "common/process/error.h"
#include "common/process/log.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;

bool IsPart(std::string_view name) {
  if (name == "state.h5") return true;
  if (!name.ends_with(".h5")) return false;
  name.remove_suffix(3);
  const auto only = [&](std::string_view start, std::string_view characters) {
    return name.size() > start.size() && name.starts_with(start) &&
           name.find_first_not_of(characters, start.size()) == std::string_view::npos;
  };
  return only("shard-", "0123456789") || only("part-", "0123456789-");
}

// Of this version, or "PART.tmp" of an earlier one.
bool IsTemporary(std::string_view name) {
  const std::size_t end = name.find(".h5.");
  if (end == std::string_view::npos || !IsPart(name.substr(0, end + 3))) return false;
  return IsTemporaryOf(name, name.substr(0, end + 3)) || name.substr(end) == ".h5.tmp";
}

struct Contents {
  std::vector<fs::path> parts, temporaries;
  std::string foreign;  // the first of what is not ours
};

Contents Look(const fs::path& folder) {
  Contents found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (IsPart(name) && !fs::is_directory(entry.symlink_status())) {
      found.parts.push_back(entry.path());
    } else if (IsTemporary(name) && !fs::is_directory(entry.symlink_status())) {
      found.temporaries.push_back(entry.path());
    } else if (name.starts_with(".nfs")) {
      continue;  // of a file that is removed and still open somewhere
    } else if (found.foreign.empty() || name < found.foreign) {
      found.foreign = name;
    }
  }
  std::sort(found.parts.begin(), found.parts.end());
  return found;
}

}  // namespace

PartsFolder::PartsFolder(const fs::path& out) : path_(out.string() + ".parts") {}

bool PartsFolder::Exists() const {
  std::error_code none;
  const fs::file_status status = fs::symlink_status(path_, none);
  if (status.type() == fs::file_type::not_found) return false;
  if (status.type() == fs::file_type::directory) return true;
  throw InputError(fmt::format("{}: is {}, not the folder of an output's parts; remove it",
                               path_.string(), fs::is_symlink(status) ? "a link" : "no folder"));
}

void PartsFolder::Make() const {
  std::error_code code;
  if (!Exists()) fs::create_directories(path_, code);
  if (code) {
    throw InputError(fmt::format("{}: folder cannot be made: {}; choose another place",
                                 path_.string(), code.message()));
  }
  for (const fs::path& path : Look(path_).temporaries) fs::remove(path);
}

// A link called as a part is none: it would be read through.
std::vector<fs::path> PartsFolder::Files() const {
  if (!Exists()) return {};
  std::vector<fs::path> parts = Look(path_).parts;
  std::erase_if(
      parts, [](const fs::path& path) { return !fs::is_regular_file(fs::symlink_status(path)); });
  return parts;
}

void PartsFolder::Remove() const {
  std::error_code none;
  if (!fs::is_directory(fs::symlink_status(path_, none))) return;
  try {
    const Contents found = Look(path_);
    for (const fs::path& path : found.parts) fs::remove(path);
    for (const fs::path& path : found.temporaries) fs::remove(path);
    if (found.foreign.empty()) {
      fs::remove(path_, none);
      return;
    }
    LogWarning("{}: holds '{}', which is not clipsweep's; the folder stays", path_.string(),
               Printable(found.foreign));
  } catch (const fs::filesystem_error& error) {  // the output is whole by now
    LogWarning("{}: cannot be removed: {}", path_.string(), error.code().message());
  }
}

}  // namespace clipsweep
