#include "common/disk/output_lock.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "common/disk/atomic_file.h"
#include "common/disk/descriptor.h"
#include "common/disk/file_system.h"
#include "common/process/clock.h"
#include "common/process/error.h"
#include "common/process/log.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;

// RefuseLocked of another job holds a lock for a moment.
constexpr int kMostLooks = 3, kMillisecondsOfLook = 20;
constexpr int kMostTries = 100;  // of a lock whose file is another each time

[[noreturn]] void ThrowTaken(const fs::path& path) {
  throw InputError(
      fmt::format("{}: another job is writing this output; wait for it, or write somewhere else",
                  path.string()));
}

// What an operating system says of a lock that its file system does not know.
bool IsUnsupported(int why) {
  return why == ENOTSUP || why == EOPNOTSUPP || why == ENOSYS || why == ENOLCK || why == EINVAL;
}

enum class Lock { kHeld, kTaken, kUnsupported };

Lock Take(const fs::path& lock_path, int descriptor) {
  for (const LockKind kind : {LockKind::kFlock, LockKind::kRecord}) {
    if (Files().Lock(descriptor, kind) == 0) return Lock::kHeld;
    for (int tries = 0; tries < kMostLooks && errno == EWOULDBLOCK; ++tries) {
      ::poll(nullptr, 0, kMillisecondsOfLook);
      if (Files().Lock(descriptor, kind) == 0) return Lock::kHeld;
    }
    if (errno == EWOULDBLOCK || errno == EACCES) return Lock::kTaken;
    if (!IsUnsupported(errno)) ThrowFileError(lock_path, "lock");
  }
  return Lock::kUnsupported;
}

// "host process", as the file of the last resort has it.
std::string Self() { return fmt::format("{} {}", HostName(), ::getpid()); }

// Whether the job that wrote `holder` may be running still.
bool MayRun(const std::string& holder) {
  const std::size_t blank = holder.rfind(' ');
  int process = 0;
  if (blank == std::string::npos || std::sscanf(holder.c_str() + blank, "%d", &process) != 1) {
    return true;
  }
  if (holder.substr(0, blank) != HostName() || process <= 0) return true;
  return ::kill(process, 0) == 0 || errno != ESRCH;
}

void RemoveLeftovers(const fs::path& path) {
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  std::error_code code;
  for (fs::directory_iterator entry(folder, code), end; !code && entry != end;
       entry.increment(code)) {
    std::error_code none;
    if (entry->is_symlink(none) || !entry->is_regular_file(none)) continue;
    if (IsTemporaryOf(entry->path().filename().string(), path.filename().string())) {
      RemoveTemporary(entry->path());
    }
  }
}

}  // namespace

OutputLock::OutputLock(const fs::path& path) : lock_path_(path.string() + ".lock") {
  TemporaryFor(path);  // makes the folder
  for (int tries = 0; !TryHold(); ++tries) {
    if (tries == kMostTries) ThrowTaken(path);
  }
  if (descriptor_ < 0) HoldByFile(path);
  RemoveLeftovers(path);
}

// False: the file's holder has removed it between our open and our lock; once more.
bool OutputLock::TryHold() {
  const std::string output = lock_path_.string().substr(0, lock_path_.string().size() - 5);
  descriptor_ = ::open(lock_path_.c_str(),
                       O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0644);
  struct stat held {
  }, named{};
  const bool plain = descriptor_ >= 0 && ::fstat(descriptor_, &held) == 0 && S_ISREG(held.st_mode);
  if (!plain) {
    const int why = errno;
    struct stat found {};
    const bool in_the_way = ::lstat(lock_path_.c_str(), &found) == 0 && !S_ISREG(found.st_mode);
    if (descriptor_ >= 0) ::close(descriptor_);
    if (in_the_way) {
      throw InputError(fmt::format("{}: is {}, not the lock of an output; remove it",
                                   lock_path_.string(),
                                   S_ISLNK(found.st_mode) ? "a link" : "no plain file"));
    }
    errno = why;
    ThrowFileError(lock_path_, "open");
  }
  const Lock lock = Take(lock_path_, descriptor_);
  if (lock != Lock::kHeld) {
    ::close(descriptor_);
    descriptor_ = -1;
    if (lock == Lock::kTaken) ThrowTaken(output);
    return true;
  }
  if (::stat(lock_path_.c_str(), &named) == 0 && held.st_ino == named.st_ino) return true;
  ::close(descriptor_);
  descriptor_ = -1;
  return false;
}

// The last resort. PATH.lock is there already, empty, from asking; PATH.lock.held is the lock.
void OutputLock::HoldByFile(const fs::path& path) {
  ::unlink(lock_path_.c_str());
  lock_path_ = path.string() + ".lock.held";
  LogWarning("{}: this file system has no locks; {} says who writes it", path.string(),
             lock_path_.string());
  for (int tries = 0; tries < 2; ++tries) {
    const int file =
        ::open(lock_path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (file >= 0) {
      const std::string self = Self();
      const bool written = WriteFully(file, self.data(), self.size(), 0);
      ::close(file);
      if (!written) ThrowFileError(lock_path_, "write");
      return;
    }
    if (errno != EEXIST) ThrowFileError(lock_path_, "open");
    const std::string holder = ReadFile(lock_path_, 4096);
    if (MayRun(holder)) {
      throw InputError(
          fmt::format("{}: another job ({}) is writing this output; wait for it, or, when it is "
                      "gone, remove {}",
                      path.string(), Printable(holder), lock_path_.string()));
    }
    // Out of the way under a name of our own first: another job may be taking it over as well.
    const fs::path stale = TemporaryFor(lock_path_);
    if (::rename(lock_path_.c_str(), stale.c_str()) != 0) continue;
    const std::string moved = ReadFile(stale, 4096);
    if (moved != holder) ::link(stale.c_str(), lock_path_.c_str());  // a live one after all
    ::unlink(stale.c_str());
    if (moved != holder) ThrowTaken(path);
  }
  ThrowTaken(path);
}

OutputLock::~OutputLock() {
  ::unlink(lock_path_.c_str());
  if (descriptor_ >= 0) ::close(descriptor_);
}

void RefuseLocked(const fs::path& path) {
  std::error_code none;
  const fs::path held = path.string() + ".lock.held";
  if (fs::is_regular_file(fs::symlink_status(held, none)) && MayRun(ReadFile(held, 4096))) {
    ThrowTaken(path);
  }
  const Descriptor lock(path.string() + ".lock");
  if (lock.get() < 0) return;
  if (::flock(lock.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK) ThrowTaken(path);
  struct flock whole {};  // a lock of fcntl, where there is no flock
  whole.l_type = F_RDLCK;
  whole.l_whence = SEEK_SET;
  if (::fcntl(lock.get(), F_OFD_GETLK, &whole) == 0 && whole.l_type != F_UNLCK) ThrowTaken(path);
}

}  // namespace clipsweep
