#include "common/disk/file_stamp.h"

#include <sys/stat.h>

#include <algorithm>
#include <chrono>

namespace clipsweep {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kUnsettled = 3 * kSecond;  // the coarsest clocks of file systems tick in 2 s

std::int64_t Nanoseconds(const timespec& time) {
  return static_cast<std::int64_t>(time.tv_sec) * kSecond + time.tv_nsec;
}

}  // namespace

FileStamp StampOf(const std::filesystem::path& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return {};
  return {static_cast<std::int64_t>(info.st_size), Nanoseconds(info.st_mtim),
          Nanoseconds(info.st_ctim)};
}

FileStamp Settled(const FileStamp& stamp) {
  if (stamp.size < 0) return stamp;
  const std::int64_t now = std::chrono::duration_cast<std::chrono::nanoseconds>(
                               std::chrono::system_clock::now().time_since_epoch())
                               .count();
  const bool settled = std::max(stamp.written, stamp.changed) < now - kUnsettled;
  return settled ? stamp : FileStamp{stamp.size, 0, 0};
}

std::vector<std::int64_t> FlattenStamps(const std::vector<FileStamp>& stamps) {
  std::vector<std::int64_t> numbers;
  numbers.reserve(3 * stamps.size());
  for (const FileStamp& stamp : stamps) {
    numbers.insert(numbers.end(), {stamp.size, stamp.written, stamp.changed});
  }
  return numbers;
}

std::vector<FileStamp> UnflattenStamps(const std::vector<std::int64_t>& numbers) {
  std::vector<FileStamp> stamps;
  stamps.reserve(numbers.size() / 3);
  for (std::size_t i = 0; i + 2 < numbers.size(); i += 3) {
    stamps.push_back({numbers[i], numbers[i + 1], numbers[i + 2]});
  }
  return stamps;
}

}  // namespace clipsweep
