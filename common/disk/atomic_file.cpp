#include "common/disk/atomic_file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>

#include "common/disk/descriptor.h"
#include "common/disk/file_system.h"
#include "common/process/error.h"
#include "common/process/signals.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;

int g_readers = 1;

fs::path FolderOf(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

constexpr std::string_view kTemporaryEnd = ".tmp";
constexpr std::size_t kHexDigits = 12;

std::string RandomHex() {
  std::uint64_t bits = 0;
  if (::getrandom(&bits, sizeof(bits), 0) != sizeof(bits)) {
    static std::atomic<std::uint64_t> calls{
        0};  // not before the kernel has any: no worse than a count
    bits = (static_cast<std::uint64_t>(::getpid()) << 24) + ++calls;
  }
  return fmt::format("{:012x}", bits >> 16);
}

struct Source {
  int descriptor;
  const fs::path& path;
  std::size_t limit;
};

[[noreturn]] void ThrowTooLong(const Source& source) {
  throw InputError(
      fmt::format("{}: more than the {} bytes allowed here", source.path.string(), source.limit));
}

// Until there is something to read, or the other end is closed.
void WaitFor(int descriptor) {
  constexpr int kMilliseconds = 100;  // between looks at signals
  pollfd waiting{descriptor, POLLIN, 0};
  do {
    ThrowIfInterrupted();
  } while (::poll(&waiting, 1, kMilliseconds) <= 0);
}

// `expected` bytes are there, as far as one knows; more or less may come.
std::string ReadToEnd(const Source& source, std::size_t expected) {
  constexpr std::size_t kPiece = std::size_t{64} << 10;
  std::string content(expected + 1, '\0');  // one more: the end shows itself by a read of nothing
  std::size_t have = 0;
  for (;;) {
    if (have == content.size()) content.resize(content.size() + kPiece);
    const ssize_t got = ::read(source.descriptor, content.data() + have, content.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) {
      WaitFor(source.descriptor);
      continue;
    }
    if (got < 0) {
      throw InputError(
          fmt::format("{}: reading failed: {}", source.path.string(), std::strerror(errno)));
    }
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
    if (have > source.limit) ThrowTooLong(source);
  }
  content.resize(have);
  return content;
}

std::string ReadPipe(const Source& source, const struct stat& info) {
  if (g_readers > 1) {
    throw InputError(
        fmt::format("{}: is a pipe or device, which {} ranks cannot all read; save it as a file",
                    source.path.string(), g_readers));
  }
  static std::mutex mutex;
  static std::map<std::pair<dev_t, ino_t>, std::string> kept;
  const std::lock_guard lock(mutex);
  const std::pair key{info.st_dev, info.st_ino};
  auto known = kept.find(key);
  if (known == kept.end()) {
    WaitFor(source.descriptor);  // a read of a pipe that nobody has opened yet looks like its end
    known = kept.emplace(key, ReadToEnd(source, 0)).first;
  }
  if (known->second.size() > source.limit) ThrowTooLong(source);
  return known->second;
}

}  // namespace

fs::path TemporaryFor(const fs::path& path) {
  std::error_code code;
  fs::create_directories(FolderOf(path), code);
  if (code) {
    throw InputError(fmt::format("{}: folder cannot be made: {}; choose another place",
                                 FolderOf(path).string(), code.message()));
  }
  return fs::path(fmt::format("{}.{}{}", path.string(), RandomHex(), kTemporaryEnd));
}

bool IsTemporaryOf(std::string_view name, std::string_view of) {
  if (!name.starts_with(of) || !name.ends_with(kTemporaryEnd)) return false;
  name.remove_prefix(of.size());
  name.remove_suffix(kTemporaryEnd.size());
  return name.size() == 1 + kHexDigits && name[0] == '.' &&
         name.find_first_not_of("0123456789abcdef", 1) == std::string_view::npos;
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
  const Descriptor file(path);
  struct stat info {};
  if (file.get() < 0 || ::fstat(file.get(), &info) != 0) {
    throw InputError(fmt::format("{}: cannot be opened: {}; check the path", path.string(),
                                 std::strerror(errno)));
  }
  if (S_ISDIR(info.st_mode)) {
    throw InputError(fmt::format("{}: is a folder, a file is needed", path.string()));
  }
  const Source source{file.get(), path, limit};
  if (!S_ISREG(info.st_mode)) return ReadPipe(source, info);
  if (static_cast<std::size_t>(info.st_size) > limit) {
    throw InputError(fmt::format("{}: {} bytes, more than the {} allowed here", path.string(),
                                 info.st_size, limit));
  }
  return ReadToEnd(source, static_cast<std::size_t>(info.st_size));
}

void SetReaders(int ranks) { g_readers = ranks; }

void RequireNoPipe(const fs::path& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0 || S_ISREG(info.st_mode) || S_ISDIR(info.st_mode)) return;
  throw InputError(
      fmt::format("{}: is a pipe or device and would be read more than once; save it as a file",
                  path.string()));
}

}  // namespace clipsweep
