#include "common/disk/file_system.h"

#include <fmt/core.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "common/process/error.h"
#include "common/process/liveness.h"

namespace clipsweep {
namespace {

// A piece that even a slow disk takes in far less than a stall time-out.
constexpr std::size_t kMostAtOnce = std::size_t{64} << 20;

std::atomic<FileSystem*> g_files{nullptr};

// Tries again while a signal interrupts the call.
template <typename Call>
auto Retry(const Call& call) {
  auto result = call();
  for (int tries = 0; result < 0 && errno == EINTR && tries < kMostRetries; ++tries) {
    result = call();
  }
  return result;
}

}  // namespace

int FileSystem::Open(const char* path, int flags, mode_t mode) {
  return ::open(path, flags | O_CLOEXEC, mode);
}

ssize_t FileSystem::Write(int fd, const void* data, std::size_t size, off_t at) {
  return ::pwrite(fd, data, size, at);
}

int FileSystem::Truncate(int fd, off_t size) { return ::ftruncate(fd, size); }
int FileSystem::Sync(int fd) { return ::fsync(fd); }
int FileSystem::Close(int fd) { return ::close(fd); }
int FileSystem::Rename(const char* from, const char* to) { return std::rename(from, to); }
int FileSystem::Remove(const char* path) { return ::unlink(path); }

int FileSystem::Lock(int fd, LockKind kind) {
  if (kind == LockKind::kFlock) return ::flock(fd, LOCK_EX | LOCK_NB);
  struct flock whole {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  return ::fcntl(fd, F_OFD_SETLK, &whole);
}

int FileSystem::SyncFolder(const char* path) {
  const int fd = ::open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return -1;
  const int result = ::fsync(fd);
  const int why = errno;
  ::close(fd);
  errno = why;
  return result;
}

FileSystem& Files() {
  static FileSystem real;
  FileSystem* chosen = g_files.load();
  return chosen != nullptr ? *chosen : real;
}

void SetFileSystem(FileSystem* files) { g_files = files; }

bool WriteFully(int fd, const void* data, std::size_t size, off_t at) {
  int without_headway = 0;
  const char* from = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t written = Files().Write(fd, from, std::min(size, kMostAtOnce), at);
    if (written <= 0) {
      if (written < 0 && errno != EINTR) return false;
      if (++without_headway > kMostRetries) {
        if (written == 0) errno = ENOSPC;
        return false;
      }
      continue;
    }
    without_headway = 0;
    MadeProgress();
    from += written;
    at += written;
    size -= static_cast<std::size_t>(written);
  }
  return true;
}

void ThrowFileError(const std::filesystem::path& path, const char* what) {
  const int why = errno;
  const bool full = why == ENOSPC || why == EDQUOT || why == EFBIG;
  throw InputError(fmt::format("{}: {} failed: {}; {} or choose another place", path.string(), what,
                               std::strerror(why), full ? "free space" : "mend it"));
}

OutputFile::OutputFile(const std::filesystem::path& path, Start start) : path_(path) {
  const int flags = O_RDWR | O_NOFOLLOW | (start == Start::kNew ? O_CREAT | O_EXCL : 0);
  fd_ = Retry([&] { return Files().Open(path.c_str(), flags, 0644); });
  if (fd_ < 0) ThrowFileError(path, "open");
}

OutputFile::~OutputFile() {
  if (fd_ >= 0) Files().Close(fd_);
}

void OutputFile::Write(std::string_view data, off_t at) {
  if (!WriteFully(fd_, data.data(), data.size(), at)) ThrowFileError(path_, "write");
}

void OutputFile::SyncAndClose() {
  if (Retry([&] { return Files().Sync(fd_); }) != 0) ThrowFileError(path_, "fsync");
  const int fd = fd_;
  fd_ = -1;
  // Interrupted, Linux has closed it all the same; what was in it is on disk already.
  if (Files().Close(fd) != 0 && errno != EINTR) ThrowFileError(path_, "close");
}

}  // namespace clipsweep
