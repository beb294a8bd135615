// The calls by which clipsweep changes a disk, in one place, so that tests can make the Nth of them
// fail (tests/support/faulty_file_system.h). Every file clipsweep keeps is written through here:
// text by WriteFileAtomically, HDF5 by the driver in hdf5_driver.h.
#pragma once

#include <fcntl.h>
#include <sys/types.h>

#include <cstddef>
#include <filesystem>
#include <string_view>

namespace clipsweep {

// POSIX semantics: -1 and errno on failure. Thread-safe.
enum class LockKind { kFlock, kRecord };  // flock(2); a lock of fcntl(2) on the open file

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual int Open(const char* path, int flags, mode_t mode);
  // May write less than `size`, as write(2).
  virtual ssize_t Write(int fd, const void* data, std::size_t size, off_t at);
  virtual int Truncate(int fd, off_t size);
  virtual int Sync(int fd);
  virtual int Close(int fd);
  virtual int Rename(const char* from, const char* to);
  virtual int SyncFolder(const char* path);
  virtual int Remove(const char* path);
  // Exclusive, without waiting.
  virtual int Lock(int fd, LockKind kind);
};

// The one in use.
FileSystem& Files();
// Tests: from now on `files` is used; null: the real one.
void SetFileSystem(FileSystem* files);

// How often a call that is interrupted by signals or makes no headway is tried again.
inline constexpr int kMostRetries = 100;

// All of `data` at `at`, however many calls that takes; false and errno when it cannot be.
bool WriteFully(int fd, const void* data, std::size_t size, off_t at);

// A file being written: a new one, or one of ours as it is. Links are not followed. What fails
// throws InputError naming the file.
class OutputFile {
 public:
  enum class Start { kNew, kAsItIs };
  explicit OutputFile(const std::filesystem::path& path, Start start = Start::kNew);
  ~OutputFile();  // silent; after SyncAndClose nothing is left to do
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void Write(std::string_view data, off_t at);
  void SyncAndClose();

 private:
  std::filesystem::path path_;
  int fd_ = -1;
};

// Throws InputError: "PATH: WHAT failed: <errno>; free space or choose another place".
[[noreturn]] void ThrowFileError(const std::filesystem::path& path, const char* what);

}  // namespace clipsweep
