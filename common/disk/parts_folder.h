// OUT.parts: where a stage keeps what it has finished until OUT is whole. Only files of ours in it,
// told by their names, are read, replaced and removed; a link in its place is refused.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace clipsweep {

class PartsFolder {
 public:
  explicit PartsFolder(const std::filesystem::path& out);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  std::string string() const { return path_.string(); }

  // Whether there is such a folder. Throws InputError when something else has its name.
  bool Exists() const;
  // Makes it where it is not there, and removes what an interrupted writing has left. Throws
  // InputError.
  void Make() const;
  // The finished parts, by name: shard-N.h5, part-*.h5, state.h5.
  std::vector<std::filesystem::path> Files() const;
  // All of ours, and the folder when nothing is left in it; what others have put there stays, which
  // a warning says. Does nothing when it is not there, or is a link.
  void Remove() const;

 private:
  std::filesystem::path path_;
};

}  // namespace clipsweep
