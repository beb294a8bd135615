// Size and times of a file: whether it has to be read again to know that it is the same.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace clipsweep {

struct FileStamp {
  std::int64_t size = -1;    // bytes; -1: the file cannot be looked at
  std::int64_t written = 0;  // time of the last modification, ns since 1970
  std::int64_t changed = 0;  // time of the last change of its inode, ns since 1970

  bool operator==(const FileStamp&) const = default;
};

// Follows links. Never throws: a file that is not there has size -1.
FileStamp StampOf(const std::filesystem::path& path);

// The stamp to be kept of a file that was read after `stamp` was taken. A file written within the
// last seconds may be written once more with the same time: its times become 0, which no later
// stamp equals, so that it is read again.
FileStamp Settled(const FileStamp& stamp);

// Stamps as numbers [n, 3] for files and messages, and back.
std::vector<std::int64_t> FlattenStamps(const std::vector<FileStamp>& stamps);
std::vector<FileStamp> UnflattenStamps(const std::vector<std::int64_t>& numbers);

}  // namespace clipsweep
