#include "common/disk/plain_file.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/process/error.h"
#include "common/process/log.h"

namespace clipsweep {
namespace {

const char* KindOf(mode_t mode) {
  return S_ISDIR(mode) ? "folder" : S_ISFIFO(mode) ? "pipe" : S_ISSOCK(mode) ? "socket" : "device";
}

[[noreturn]] void Fail(const std::filesystem::path& path, const char* what, int why) {
  throw InputError(fmt::format("{}: {}: {}; check the path", Printable(path.string()), what,
                               std::strerror(why)));
}

}  // namespace

PlainFile::PlainFile(const std::filesystem::path& path) : path_(path), file_(path) {
  struct stat info {};
  if (file_.get() < 0 || ::fstat(file_.get(), &info) != 0) Fail(path, "cannot be opened", errno);
  if (!S_ISREG(info.st_mode)) {
    throw InputError(fmt::format("{}: is a {}, a file is needed", Printable(path.string()),
                                 KindOf(info.st_mode)));
  }
  size_ = static_cast<std::uint64_t>(info.st_size);
}

std::size_t PlainFile::ReadAt(std::uint64_t offset, char* data, std::size_t count) const {
  std::size_t have = 0;
  while (have < count) {
    const ssize_t got =
        ::pread(file_.get(), data + have, count - have, static_cast<off_t>(offset + have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) Fail(path_, "cannot be read", errno);
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  return have;
}

}  // namespace clipsweep
