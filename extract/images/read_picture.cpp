#include "extract/images/read_picture.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "common/data/folder_scan.h"
#include "common/disk/descriptor.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "extract/images/image_decode.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;

std::string TextOf(int code) { return std::generic_category().message(code); }

// Of a call that failed with `code`.
[[noreturn]] void Fail(const fs::path& path, const char* what, int code) {
  std::error_code ignored;
  if (code == EMFILE || code == ENFILE || code == ENOMEM) {
    throw InputError(fmt::format("{}: {}: {}; use fewer --threads", Printable(path.string()), what,
                                 TextOf(code)));
  }
  const bool leads_on = fs::exists(path, ignored);
  if (!leads_on && fs::is_symlink(path, ignored)) throw ImageError(BrokenLinkText(path));
  if (code == ENOENT || code == ENOTDIR) {
    throw InputError(
        fmt::format("{}: is not there (any more); check the path", Printable(path.string())));
  }
  throw ImageError(fmt::format("{}: {}", what, TextOf(code)));
}

void RefuseUnlessFile(const struct stat& info) {
  if (S_ISREG(info.st_mode)) return;
  const char* what = S_ISDIR(info.st_mode)    ? "folder"
                     : S_ISFIFO(info.st_mode) ? "pipe"
                     : S_ISSOCK(info.st_mode) ? "socket"
                                              : "device";
  throw ImageError(fmt::format("is a {}, no picture file", what));
}

void RefuseLarge(std::size_t bytes) {
  if (bytes <= kMaxImageBytes) return;
  throw ImageError(fmt::format("{} bytes, more than the {} allowed", bytes, kMaxImageBytes));
}

}  // namespace

std::string ReadPicture(const fs::path& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) Fail(path, "cannot be opened", errno);
  RefuseUnlessFile(info);
  // Should it have become a pipe meanwhile, this does not wait.
  const Descriptor file(path);
  if (file.get() < 0 || ::fstat(file.get(), &info) != 0) Fail(path, "cannot be opened", errno);
  RefuseUnlessFile(info);
  RefuseLarge(static_cast<std::size_t>(info.st_size));
  std::string content(static_cast<std::size_t>(info.st_size), '\0');
  std::size_t have = 0;
  while (have < content.size()) {
    const ssize_t got = ::read(file.get(), content.data() + have, content.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) Fail(path, "cannot be read", errno);
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  content.resize(have);
  return content;
}

}  // namespace clipsweep
