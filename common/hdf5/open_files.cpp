#include "common/hdf5/open_files.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <chrono>
#include <ctime>
#include <list>
#include <optional>
#include <thread>

#include "common/disk/atomic_file.h"
#include "common/hdf5/hdf5_structure.h"
#include "common/process/error.h"

namespace clipsweep::hdf5 {
namespace {

constexpr std::size_t kMostOpen = 128;
constexpr auto kTick = std::chrono::milliseconds(1);
constexpr int kMostTicks = 20;  // a kernel's clock moves every 10 ms or more often

// Which file it is, and whether it is still as it was.
struct State {
  dev_t device = 0;
  ino_t inode = 0;
  off_t size = 0;
  timespec written{}, changed{};

  bool IsSameFile(const State& other) const {
    return device == other.device && inode == other.inode;
  }
  bool operator==(const State& other) const {
    const auto same = [](const timespec& a, const timespec& b) {
      return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
    };
    return IsSameFile(other) && size == other.size && same(written, other.written) &&
           same(changed, other.changed);
  }
};

std::optional<State> StateOf(const std::filesystem::path& path) {
  struct stat now {};
  if (::stat(path.c_str(), &now) != 0) return std::nullopt;
  return State{now.st_dev, now.st_ino, now.st_size, now.st_mtim, now.st_ctim};
}

// A file that is written to within one tick of the kernel's clock keeps its time. Once the clock
// has moved past it, what is read now cannot change without another time. False where it does not
// move past, as with a server whose clock is ahead.
bool WaitUntilSettled(const State& state) {
  for (int i = 0; i < kMostTicks; ++i) {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (now.tv_sec != state.changed.tv_sec ? now.tv_sec > state.changed.tv_sec
                                           : now.tv_nsec > state.changed.tv_nsec) {
      return true;
    }
    std::this_thread::sleep_for(kTick);
  }
  return false;
}

struct Kept {
  std::filesystem::path path;
  State state;
  std::shared_ptr<OpenFile> file;
};

// The last used first. Never destroyed: HDF5 may be gone before it would be.
std::list<Kept>& KeptFiles() {
  static auto& files = *new std::list<Kept>;
  return files;
}

// Files that are gone or others now would only hold their disk space.
void ForgetOthers() {
  KeptFiles().remove_if([](const Kept& kept) { return StateOf(kept.path) != kept.state; });
  while (KeptFiles().size() > kMostOpen) KeptFiles().pop_back();
}

}  // namespace

std::shared_ptr<const OpenFile> OpenOnce(const std::filesystem::path& path, Seal seal) {
  RequireNoPipe(path);
  const std::optional<State> state = StateOf(path);
  if (!state) throw InputError(fmt::format("{}: cannot be opened; check the path", path.string()));
  std::list<Kept>& files = KeptFiles();
  for (auto kept = files.begin(); kept != files.end(); ++kept) {
    if (!kept->state.IsSameFile(*state)) continue;
    if (kept->state != *state) {
      files.erase(kept);
      break;
    }
    if (seal != Seal::kCheckedBefore && kept->file->seal.empty()) {
      kept->file->seal = CheckSeal(path);
    }
    files.splice(files.begin(), files, kept);
    return files.front().file;
  }
  const bool keep = seal != Seal::kOfAPart && WaitUntilSettled(*state);
  auto file = std::make_shared<OpenFile>();
  if (seal != Seal::kCheckedBefore) file->seal = CheckSeal(path);
  CheckStructure(path);
  file->id = OpenForReading(path);
  if (!file->id.ok()) {
    throw InputError(fmt::format("{}: HDF5 cannot open it; make it again", path.string()));
  }
  if (keep && StateOf(path) == state) {
    files.push_front({path, *state, file});
    ForgetOthers();
  }
  return file;
}

}  // namespace clipsweep::hdf5
