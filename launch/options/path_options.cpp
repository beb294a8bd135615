#include "launch/options/path_options.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>
#include <system_error>

#include "common/disk/plain_file.h"
#include "common/disk/text_output.h"
#include "common/hdf5/hdf5_file.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "launch/pages/markup.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;
namespace po = boost::program_options;

constexpr std::string_view kJsonStart = "{\n \"command\": \"";
constexpr int kMostLinks = 40;

std::string Shown(const PathUse& use) { return Printable(use.path); }

}  // namespace

std::string LinkTarget(const std::string& path) {
  fs::path at = path;
  std::error_code code;
  for (int links = 0; fs::is_symlink(at, code); ++links) {
    if (links == kMostLinks) {
      throw InputError(fmt::format("{}: is a link that leads to itself", Printable(path)));
    }
    const fs::path target = fs::read_symlink(at, code);
    if (code) break;
    at = target.is_absolute() ? target : at.parent_path() / target;
  }
  return at.string();
}

namespace {

// Without links, of what is there.
fs::path PlaceOf(const fs::path& path) {
  std::error_code code;
  const fs::path found = fs::weakly_canonical(fs::absolute(path), code);
  return code ? fs::absolute(path).lexically_normal() : found;  // a folder that may not be read
}

// One thing on disk under two names, or one name that is not there yet.
bool IsSame(const fs::path& a, const fs::path& b) {
  struct stat first {
  }, second{};
  const bool a_is = ::stat(a.c_str(), &first) == 0, b_is = ::stat(b.c_str(), &second) == 0;
  if (a_is != b_is) return false;
  if (a_is) return first.st_dev == second.st_dev && first.st_ino == second.st_ino;
  return PlaceOf(a) == PlaceOf(b);
}

// What a stage makes beside its output.
std::vector<std::string> FilesBeside(const PathUse& use) {
  if (use.kind.format.empty()) return {};
  return {use.path + ".times", use.path + ".lock", use.path + ".parts"};
}

// "" where there is no file, or nothing in it. Throws InputError for one that may not be read:
// nobody can know what it holds.
std::string Beginning(const std::string& path) {
  std::error_code none;
  if (!fs::exists(fs::symlink_status(path, none))) return "";
  std::array<char, 256> bytes{};
  return {bytes.data(), PlainFile(path).ReadAt(0, bytes.data(), bytes.size())};
}

// "" where the file cannot tell: it is damaged, which is for its reader to say.
std::string FormatAt(const std::string& path) {
  try {
    return H5Reader(path, Seal::kCheckedBefore).TextAttribute("format");
  } catch (const Error&) {
    return "";
  }
}

bool MayReplace(const PathUse& use) {
  const std::string start = Beginning(use.path);
  if (start.empty()) return true;
  if (use.kind.begins != nullptr) return use.kind.begins(start);
  if (use.kind.format.empty()) return start.starts_with(use.kind.start);
  if (!start.starts_with(kSealWord)) return false;
  const std::string format = FormatAt(use.path);
  return format.empty() || format == use.kind.format;
}

void CheckWritable(const PathUse& use) {
  fs::path folder = fs::absolute(use.path);
  if (use.role == PathRole::kOutput) folder = folder.parent_path();
  std::error_code code;
  while (!fs::exists(fs::symlink_status(folder, code)) && folder.has_relative_path()) {
    folder = folder.parent_path();
  }
  if (!fs::is_directory(folder, code)) {
    throw InputError(fmt::format("--{}: {}: {} is no folder; choose another place", use.option,
                                 Shown(use), Printable(folder.string())));
  }
  if (::access(folder.c_str(), W_OK | X_OK) != 0) {
    throw InputError(
        fmt::format("--{}: {}: the folder {} cannot be written: {}; choose another "
                    "place",
                    use.option, Shown(use), Printable(folder.string()), std::strerror(errno)));
  }
}

void CheckTarget(const PathUse& use) {
  if (fs::path(use.path).filename().empty()) {
    throw UsageError(
        fmt::format("--{}: {} is a folder's name; name a file in it", use.option, Shown(use)));
  }
  if (IsWrittenInPlace(use.path)) {
    if (use.kind.format.empty()) return;
    throw UsageError(fmt::format("--{}: {} is no place on disk, which a {} needs", use.option,
                                 Shown(use), use.kind.what));
  }
  std::error_code code;
  if (fs::is_directory(use.path, code)) {
    throw UsageError(
        fmt::format("--{}: {} is a folder; name a file in it", use.option, Shown(use)));
  }
  if (use.kind.needed) CheckWritable(use);
  if (!MayReplace(use)) {
    throw UsageError(fmt::format("--{}: {} is there and is no {}; name another file, or remove it",
                                 use.option, Shown(use), use.kind.what));
  }
}

// By one of these a folder is known as a run's or a nightly's; how each begins.
constexpr std::pair<const char*, std::string_view> kRunMarks[] = {
    {"results.json", "{\n \"schema\": \"clipsweep-"},
    {"run.json", "{\n \"schema\": \"clipsweep-"},
    {"history.sqlite", "SQLite format 3"},
    {"summary.json", "{\n \"night\": "}};

// Files that a run or a nightly writes into its folder.
bool IsNameOfRun(const fs::path& path) {
  static const std::set<std::string> kNames{"results.json", "run.json",   "table.txt", "lists",
                                            "summary.json", "summary.md", "trend.html"};
  return path.extension() == ".h5" || kNames.count(path.filename().string()) > 0;
}

void CheckRunFolder(const PathUse& use) {
  std::error_code code;
  if (fs::exists(use.path, code) && !fs::is_directory(use.path, code)) {
    throw UsageError(fmt::format("--{}: {} is a file; name a folder", use.option, Shown(use)));
  }
  CheckWritable(use);
  const fs::path folder = use.path;
  bool is_run = false;
  for (const auto& [name, start] : kRunMarks) {
    const std::string found = Beginning((folder / name).string());
    if (found.empty()) continue;
    // A history that is none is refused by its reader, which says what is wrong with it.
    if (!found.starts_with(start) && start.starts_with("SQLite")) continue;
    if (!found.starts_with(start)) {
      throw UsageError(fmt::format("--{}: {} is no file of a run; name another folder", use.option,
                                   Printable((folder / name).string())));
    }
    is_run = true;
  }
  if (is_run || !fs::is_directory(folder, code)) return;
  for (const auto& entry : fs::directory_iterator(folder, code)) {
    if (entry.is_regular_file(code) ? !IsNameOfRun(entry.path())
                                    : entry.path().filename() != "lists") {
      continue;
    }
    throw UsageError(
        fmt::format("--{}: {} has no run.json, so {} may be of another; name another "
                    "folder",
                    use.option, Shown(use), Printable(entry.path().string())));
  }
}

// A file that a run would write: `use` may not be it.
void CheckOutsideRun(const PathUse& use, const PathUse& run) {
  const fs::path path = use.path;
  if (use.role == PathRole::kRunFolder || path.filename().empty()) return;
  if (!IsSame(path.has_parent_path() ? path.parent_path() : ".", run.path)) return;
  if (!IsNameOfRun(path)) return;
  throw UsageError(
      fmt::format("--{}: {} has the name of a file that the run in --{} writes; name "
                  "another",
                  use.option, Shown(use), run.option));
}

// Of an output that is written in place: a terminal may be input and output, /dev/null takes
// everything.
bool MayShare(const PathUse& output, const PathUse& other) {
  std::error_code code;
  if (fs::is_fifo(output.path, code)) return false;
  return !DescriptorNamed(output.path) || other.role == PathRole::kInput ||
         DescriptorNamed(output.path) != DescriptorNamed(other.path);
}

void CheckPair(const PathUse& output, const PathUse& other) {
  if (IsWrittenInPlace(output.path) && MayShare(output, other)) return;
  const auto refuse = [&](const std::string& path) {
    throw UsageError(fmt::format(
        "--{}: {} is {} --{}; name another", output.option, Printable(path),
        other.role == PathRole::kInput ? "what is read by" : "written by", other.option));
  };
  const auto descriptor = DescriptorNamed(output.path);
  const bool one_stream =
      other.role == PathRole::kOutput && descriptor && descriptor == DescriptorNamed(other.path);
  if (one_stream || IsSame(output.path, other.path)) refuse(output.path);
  for (const std::string& beside : FilesBeside(output)) {
    if (IsSame(beside, other.path)) {
      throw UsageError(fmt::format("--{}: {} is made beside --{}; name another", other.option,
                                   Shown(other), output.option));
    }
  }
  if (other.role == PathRole::kRunFolder) CheckOutsideRun(output, other);
}

}  // namespace

OutputKind SealedOutput(std::string what, std::string format) {
  return {std::move(what), std::move(format), "", true};
}
OutputKind JsonOutput() {
  return {"result of a clipsweep command", "", std::string(kJsonStart), true};
}
OutputKind PageOutput() { return {"page of clipsweep's", "", std::string(kPageStart), true}; }
OutputKind TextOutputOf(std::string what, std::string start) {
  return {std::move(what), "", std::move(start), true};
}

po::typed_value<std::string>* OutputPath(std::string* target, OutputKind kind) {
  return new PathValue<std::string>(target, PathRole::kOutput, std::move(kind));
}
po::typed_value<std::string>* RunFolder(std::string* target) {
  return new PathValue<std::string>(target, PathRole::kRunFolder);
}

bool IsBelow(const std::string& path, const std::string& folder) {
  const auto place = [](const fs::path& named) {
    const fs::path found = PlaceOf(named);
    return found.has_filename() ? found : found.parent_path();  // a slash at the end is no name
  };
  const fs::path inner = place(path), outer = place(folder);
  return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

std::vector<PathUse> PathsOf(const po::options_description& options,
                             const po::variables_map& values) {
  std::vector<PathUse> uses;
  for (const auto& option : options.options()) {
    auto* value =
        dynamic_cast<PathOption*>(const_cast<po::value_semantic*>(option->semantic().get()));
    if (value == nullptr || values.count(option->long_name()) == 0) continue;
    for (std::string path : value->Paths()) {
      if (path.empty()) {
        throw UsageError(fmt::format("--{}: is empty; name a {}", option->long_name(),
                                     value->role == PathRole::kRunFolder ? "folder" : "file"));
      }
      if (value->role == PathRole::kOutput && !IsWrittenInPlace(path)) {
        path = LinkTarget(path);
        value->Replace(path);
      }
      uses.push_back({option->long_name(), path, value->role, value->kind});
    }
  }
  return uses;
}

void CheckPaths(const std::vector<PathUse>& uses) {
  for (const PathUse& use : uses) {
    if (use.role == PathRole::kInput) continue;
    for (const PathUse& other : uses) {
      if (&other != &use) CheckPair(use, other);
    }
  }
  for (const PathUse& use : uses) {
    if (use.role == PathRole::kOutput) CheckTarget(use);
    if (use.role == PathRole::kRunFolder) CheckRunFolder(use);
  }
}

}  // namespace clipsweep
