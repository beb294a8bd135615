// A file on disk, open for reading. What else can have a name (a pipe, a device, a folder) is
// refused by name and never waited for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>

#include "common/disk/descriptor.h"

namespace clipsweep {

class PlainFile {
 public:
  // Throws InputError saying what is there instead.
  explicit PlainFile(const std::filesystem::path& path);

  int get() const { return file_.get(); }
  std::uint64_t size() const { return size_; }
  // At most `count` bytes from `offset` on into `data`; fewer at the end of the file only. Throws
  // InputError.
  std::size_t ReadAt(std::uint64_t offset, char* data, std::size_t count) const;

 private:
  std::filesystem::path path_;
  Descriptor file_;
  std::uint64_t size_ = 0;
};

}  // namespace clipsweep
