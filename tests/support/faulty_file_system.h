// A disk whose Nth call fails, once or from then on.
#pragma once

#include <atomic>
#include <cerrno>
#include <limits>

#include "common/disk/file_system.h"

namespace clipsweep {

enum class Fault { kFull, kBroken, kShort, kInterrupted };  // ENOSPC, EIO, short write, EINTR

class FaultyFileSystem final : public FileSystem {
 public:
  // Calls are counted from 1 over all kinds of calls. kShort writes half and only touches writes.
  FaultyFileSystem(std::int64_t nth, Fault fault, bool for_good)
      : nth_(nth), fault_(fault), for_good_(for_good) {}

  int Open(const char* path, int flags, mode_t mode) override {
    return Fails() ? -1 : FileSystem::Open(path, flags, mode);
  }
  ssize_t Write(int fd, const void* data, std::size_t size, off_t at) override {
    if (!IsDue()) return FileSystem::Write(fd, data, size, at);
    if (fault_ == Fault::kShort) return FileSystem::Write(fd, data, (size + 1) / 2, at);
    SetError();
    return -1;
  }
  int Truncate(int fd, off_t size) override {
    return Fails() ? -1 : FileSystem::Truncate(fd, size);
  }
  int Sync(int fd) override { return Fails() ? -1 : FileSystem::Sync(fd); }
  // As Linux does it: the descriptor is gone, whatever close says.
  int Close(int fd) override {
    const bool fails = Fails();
    const int why = errno;
    const int result = FileSystem::Close(fd);
    errno = why;
    return fails ? -1 : result;
  }
  int Rename(const char* from, const char* to) override {
    return Fails() ? -1 : FileSystem::Rename(from, to);
  }
  int SyncFolder(const char* path) override { return Fails() ? -1 : FileSystem::SyncFolder(path); }
  int Remove(const char* path) override { return Fails() ? -1 : FileSystem::Remove(path); }

  std::int64_t calls() const { return calls_; }

 private:
  bool IsDue() {
    const std::int64_t call = ++calls_;
    return for_good_ ? call >= nth_ : call == nth_;
  }
  bool Fails() {
    if (!IsDue() || fault_ == Fault::kShort) return false;
    SetError();
    return true;
  }
  void SetError() const {
    errno = fault_ == Fault::kFull ? ENOSPC : fault_ == Fault::kBroken ? EIO : EINTR;
  }

  const std::int64_t nth_;
  const Fault fault_;
  const bool for_good_;
  std::atomic<std::int64_t> calls_{0};
};

}  // namespace clipsweep
