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

// Whole file as bytes, of a pipe or device what comes until its end; SIGINT and SIGTERM end the
// waiting. What came from a pipe is kept: it is there once, and some inputs are read twice. Throws
// InputError; refuses more than `limit` bytes.
std::string ReadFile(const std::filesystem::path& path, std::size_t limit = std::size_t{1} << 30);

// How many ranks read the inputs, from now on: with more than one, pipes and devices are refused.
void SetReaders(int ranks);

// For inputs that are opened by name more than once: throws InputError for a pipe or device.
void RequireNoPipe(const std::filesystem::path& path);

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
