// A walk through an image folder: which files are pictures, and what is left out. Links to folders
// are followed.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <utility>
#include <vector>

#include "common/data/left_out.h"

namespace clipsweep {

// Folder entries in byte order of their names. Throws InputError naming the folder.
std::vector<std::filesystem::directory_entry> EntriesOf(const std::filesystem::path& folder);

class FolderWalk {
 public:
  // `root`: all walks start in or at it; a link that leads back to it or above it is a loop.
  explicit FolderWalk(const std::filesystem::path& root);

  // Pictures of `folder` (root or below) in byte order of names, folder by folder; `deep`: of its
  // sub-folders too. A file is a picture when its name says so, and where the name says nothing,
  // when its first bytes do. What has a picture's name or none that is known and cannot be opened
  // (a dangling link, a pipe) is taken too, so that reading names it. Never opens what may block.
  // Throws InputError naming a folder that cannot be listed, or a link that makes a loop.
  std::vector<std::filesystem::path> Pictures(const std::filesystem::path& folder,
                                              bool deep = true);

  LeftOut& left_out() { return left_out_; }

 private:
  using Id = std::pair<dev_t, ino_t>;

  void Walk(const std::filesystem::path& folder, bool deep, const std::filesystem::path& last_link,
            std::vector<std::filesystem::path>& found);
  void Take(const std::filesystem::directory_entry& entry,
            std::vector<std::filesystem::path>& found);

  std::map<Id, std::filesystem::path> above_;  // folders on the way from / to where the walk is
  std::map<Id, int> visits_;
  LeftOut left_out_;
};

// What is to be said of a link that cannot be followed: "is a link to 'x', which is not there".
std::string BrokenLinkText(const std::filesystem::path& link);

}  // namespace clipsweep
