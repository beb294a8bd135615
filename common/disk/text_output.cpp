#include "common/disk/text_output.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "common/disk/atomic_file.h"
#include "common/process/error.h"
#include "common/process/liveness.h"
#include "common/process/signals.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;

constexpr int kMostLinks = 40;      // as Linux follows
constexpr int kMilliseconds = 100;  // between looks at signals

// "/dev/fd/3", "/proc/self/fd/3", "/proc/1234/fd/3" with our own number.
std::optional<int> NumberOf(const fs::path& path) {
  const std::string text = path.lexically_normal().string();
  for (const std::string& start :
       {std::string("/dev/fd/"), std::string("/proc/self/fd/"),
        std::string("/proc/thread-self/fd/"), fmt::format("/proc/{}/fd/", ::getpid())}) {
    if (!text.starts_with(start)) continue;
    const std::string number = text.substr(start.size());
    if (number.empty() || number.size() > 7 ||
        number.find_first_not_of("0123456789") != std::string::npos) {
      return std::nullopt;
    }
    return std::stoi(number);
  }
  return std::nullopt;
}

// Waits for the reader of a pipe.
int OpenInPlace(const fs::path& path) {
  for (;;) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd >= 0) return fd;
    if (errno != EINTR && errno != ENXIO) ThrowFileError(path, "open");
    ThrowIfInterrupted();
    MadeProgress();
    ::poll(nullptr, 0, kMilliseconds);
  }
}

void WriteInPlace(const fs::path& path, int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
      continue;
    }
    const bool full = errno == EAGAIN;
    if (errno != EINTR && !full) ThrowFileError(path, "write");
    ThrowIfInterrupted();
    MadeProgress();
    pollfd waiting{fd, POLLOUT, 0};
    if (full) ::poll(&waiting, 1, kMilliseconds);
  }
}

}  // namespace

std::optional<int> DescriptorNamed(const fs::path& path) {
  if (path == "-") return STDOUT_FILENO;
  std::error_code code;
  fs::path at = fs::absolute(path, code);
  for (int links = 0; links < kMostLinks && !code; ++links) {
    if (const auto number = NumberOf(at)) return number;
    const fs::path target = fs::read_symlink(at, code);
    if (!code) at = target.is_absolute() ? target : at.parent_path() / target;
  }
  return std::nullopt;
}

bool IsWrittenInPlace(const fs::path& path) {
  if (DescriptorNamed(path)) return true;
  std::error_code none;
  const fs::file_type type = fs::status(path, none).type();
  return type == fs::file_type::fifo || type == fs::file_type::character ||
         type == fs::file_type::block || type == fs::file_type::socket;
}

TextOutput::TextOutput(const fs::path& path) : path_(path) {
  if (const auto descriptor = DescriptorNamed(path)) {
    in_place_ = *descriptor;
  } else if (IsWrittenInPlace(path)) {
    in_place_ = OpenInPlace(path);
    close_ = true;
  } else {
    temporary_ = TemporaryFor(path);
    file_ = std::make_unique<OutputFile>(temporary_);
  }
}

TextOutput::~TextOutput() {
  if (close_) ::close(in_place_);
  if (!file_) return;
  file_.reset();
  RemoveTemporary(temporary_);
}

void TextOutput::Write(std::string_view text) {
  if (in_place_ >= 0) {
    WriteInPlace(path_ == "-" ? "standard output" : path_, in_place_, text);
    return;
  }
  file_->Write(text, written_);
  written_ += static_cast<off_t>(text.size());
}

void TextOutput::Commit() {
  if (close_) {
    close_ = false;
    if (::close(in_place_) != 0) ThrowFileError(path_, "close");
  }
  if (!file_) return;
  file_->SyncAndClose();
  CommitFile(temporary_, path_);
  file_.reset();
}

void WriteTextOutput(const fs::path& path, std::string_view text) {
  TextOutput output(path);
  output.Write(text);
  output.Commit();
}

}  // namespace clipsweep
