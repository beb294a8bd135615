#include "common/atomic_file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/error.h"
#include "common/file_system.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;

fs::path FolderOf(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

class Descriptor {
 public:
  explicit Descriptor(const fs::path& path) : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

}  // namespace

fs::path TemporaryFor(const fs::path& path) {
  std::error_code code;
  fs::create_directories(FolderOf(path), code);
  if (code) {
    throw InputError(fmt::format("{}: folder cannot be made: {}; choose another place",
                                 FolderOf(path).string(), code.message()));
  }
  return fs::path(path.string() + ".tmp");
}

void CommitFile(const fs::path& temporary, const fs::path& path) {
  const auto retry = [](const auto& call) {
    int result = call();
    for (int i = 0; result != 0 && errno == EINTR && i < kMostRetries; ++i) result = call();
    return result;
  };
  if (retry([&] { return Files().Rename(temporary.c_str(), path.c_str()); }) != 0) {
    ThrowFileError(path, "rename");
  }
  const fs::path folder = FolderOf(path);
  if (retry([&] { return Files().SyncFolder(folder.c_str()); }) != 0) {
    ThrowFileError(folder, "fsync");
  }
}

void RemoveTemporary(const fs::path& temporary) { Files().Remove(temporary.c_str()); }

void WriteFileAtomically(const fs::path& path, std::string_view content) {
  const fs::path temporary = TemporaryFor(path);
  try {
    OutputFile file(temporary);
    file.Write(content, 0);
    file.SyncAndClose();
    CommitFile(temporary, path);
  } catch (...) {
    RemoveTemporary(temporary);
    throw;
  }
}

std::string ReadFile(const fs::path& path, std::size_t limit) {
  Descriptor file(path);
  struct stat info {};
  if (file.get() < 0 || ::fstat(file.get(), &info) != 0) {
    throw InputError(fmt::format("{}: cannot be opened: {}; check the path", path.string(),
                                 std::strerror(errno)));
  }
  if (S_ISDIR(info.st_mode)) {
    throw InputError(fmt::format("{}: is a folder, a file is needed", path.string()));
  }
  if (static_cast<std::size_t>(info.st_size) > limit) {
    throw InputError(fmt::format("{}: {} bytes, more than the {} allowed here", path.string(),
                                 info.st_size, limit));
  }
  std::string content(static_cast<std::size_t>(info.st_size), '\0');
  std::size_t have = 0;
  while (have < content.size()) {
    const ssize_t got = ::read(file.get(), content.data() + have, content.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      throw InputError(fmt::format("{}: reading failed: {}", path.string(), std::strerror(errno)));
    }
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  content.resize(have);
  return content;
}

OutputLock::OutputLock(const fs::path& path) : lock_path_(path.string() + ".lock") {
  TemporaryFor(path);  // makes the folder
  for (;;) {
    descriptor_ = ::open(lock_path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (descriptor_ < 0) ThrowFileError(lock_path_, "open");
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
      const int why = errno;
      ::close(descriptor_);
      errno = why;
      if (why != EWOULDBLOCK) {
        throw InputError(
            fmt::format("{}: cannot be locked: {}; choose a folder on a file system with flock",
                        lock_path_.string(), std::strerror(why)));
      }
      throw InputError(fmt::format(
          "{}: another job is writing this output; wait for it, or write somewhere else",
          path.string()));
    }
    // The holder before us may have removed the file between our open and our lock.
    struct stat held {
    }, named{};
    if (::fstat(descriptor_, &held) == 0 && ::stat(lock_path_.c_str(), &named) == 0 &&
        held.st_ino == named.st_ino) {
      return;
    }
    ::close(descriptor_);
  }
}

OutputLock::~OutputLock() {
  ::unlink(lock_path_.c_str());
  ::close(descriptor_);
}

}  // namespace clipsweep
