// Files that are either the old one or the new one, never half of one, whatever kills the process:
// write to PATH.tmp, fsync, rename, fsync the folder.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace clipsweep {

// Where to write before CommitFile moves it to `path`. Missing folders are made.
std::filesystem::path TemporaryFor(const std::filesystem::path& path);

// Renames `temporary`, which is on disk whole (OutputFile::SyncAndClose), to `path` and fsyncs the
// folder. Throws InputError naming the path.
void CommitFile(const std::filesystem::path& temporary, const std::filesystem::path& path);
void RemoveTemporary(const std::filesystem::path& temporary);

void WriteFileAtomically(const std::filesystem::path& path, std::string_view content);

// Whole file as bytes. Throws InputError; refuses files over `limit` bytes.
std::string ReadFile(const std::filesystem::path& path, std::size_t limit = std::size_t{1} << 30);

// Held while a job writes `path`: a second job on the same output gets InputError. Released by the
// kernel however the process ends.
class OutputLock {
 public:
  explicit OutputLock(const std::filesystem::path& path);
  ~OutputLock();
  OutputLock(const OutputLock&) = delete;
  OutputLock& operator=(const OutputLock&) = delete;

 private:
  std::filesystem::path lock_path_;
  int descriptor_ = -1;
};

}  // namespace clipsweep
