#include "common/data/folder_scan.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>
#include <system_error>

#include "common/data/image_kind.h"
#include "common/data/picture_names.h"
#include "common/disk/descriptor.h"
#include "common/process/error.h"
#include "common/process/liveness.h"
#include "common/process/log.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;

// Links can lead to one folder on very many ways without a loop: 40 folders with two links each to
// the next are a million million walks.
constexpr int kMostVisits = 2000;

constexpr std::size_t kFirstBytes = 64;

Error FolderError(const fs::path& folder, int code) {
  return InputError(fmt::format("{}: folder cannot be listed: {}; mend or move it",
                                Printable(folder.string()),
                                std::error_code(code, std::generic_category()).message()));
}

// No value: the file cannot be opened or read.
std::optional<std::string> FirstBytes(const fs::path& path) {
  const Descriptor file(path);
  if (file.get() < 0) return std::nullopt;
  std::string bytes(kFirstBytes, '\0');
  const ssize_t got = ::read(file.get(), bytes.data(), bytes.size());
  if (got < 0) return std::nullopt;
  bytes.resize(static_cast<std::size_t>(got));
  return bytes;
}

// `folder` is `above` again; `link` is the last link on the way, "" for none.
[[noreturn]] void ThrowLoop(const fs::path& folder, const fs::path& link, const fs::path& above) {
  std::error_code ignored;
  const std::string what = link.empty()
                               ? "is"
                               : fmt::format("is a link to '{}' that leads back to",
                                             Printable(fs::read_symlink(link, ignored).string()));
  throw InputError(fmt::format("{}: {} {}, which holds it: a loop; remove it",
                               Printable((link.empty() ? folder : link).string()), what,
                               Printable(above.string())));
}

}  // namespace

std::string BrokenLinkText(const fs::path& link) {
  std::error_code code, ignored;
  const fs::file_type type = fs::status(link, code).type();
  const std::string target = Printable(fs::read_symlink(link, ignored).string());
  if (code == std::errc::too_many_symbolic_link_levels) {
    return fmt::format("is a link to '{}', which leads back to itself", target);
  }
  if (type != fs::file_type::none) {
    return fmt::format("is a link to '{}', which is not there", target);
  }
  return fmt::format("is a link to '{}', which cannot be followed: {}", target, code.message());
}

std::vector<fs::directory_entry> EntriesOf(const fs::path& folder) {
  std::vector<fs::directory_entry> entries;
  std::error_code code;
  fs::directory_iterator entry(folder, code);
  for (; !code && entry != fs::directory_iterator(); entry.increment(code)) {
    MadeProgress();
    entries.push_back(*entry);
  }
  if (code) throw FolderError(folder, code.value());
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.path().native() < b.path().native(); });
  return entries;
}

FolderWalk::FolderWalk(const fs::path& root) {
  std::error_code code;
  struct stat info {};
  fs::path above = fs::canonical(root, code);
  while (above.has_relative_path()) {
    above = above.parent_path();
    if (::stat(above.c_str(), &info) == 0) above_.emplace(Id{info.st_dev, info.st_ino}, above);
  }
  if (::stat(root.c_str(), &info) == 0) above_.emplace(Id{info.st_dev, info.st_ino}, root);
}

std::vector<fs::path> FolderWalk::Pictures(const fs::path& folder, bool deep) {
  std::vector<fs::path> found;
  struct stat info {};
  if (::stat(folder.c_str(), &info) != 0) throw FolderError(folder, errno);
  const auto at = above_.find({info.st_dev, info.st_ino});
  if (at != above_.end() && at->second == folder) above_.erase(at);  // the root itself
  Walk(folder, deep, {}, found);
  return found;
}

void FolderWalk::Walk(const fs::path& folder, bool deep, const fs::path& last_link,
                      std::vector<fs::path>& found) {
  struct stat info {};
  if (::stat(folder.c_str(), &info) != 0) throw FolderError(folder, errno);
  const Id id{info.st_dev, info.st_ino};
  std::error_code code;
  const fs::path link = fs::is_symlink(folder, code) ? folder : last_link;
  if (const auto seen = above_.find(id); seen != above_.end())
    ThrowLoop(folder, link, seen->second);
  if (++visits_[id] > kMostVisits) {
    throw InputError(fmt::format("{}: links lead to this folder on more than {} ways; remove some",
                                 Printable(folder.string()), kMostVisits));
  }
  above_.emplace(id, folder);
  for (const fs::directory_entry& entry : EntriesOf(folder)) {
    MadeProgress();
    const std::string name = entry.path().filename().string();
    if (IsHiddenName(name)) {
      ++left_out_.hidden[HiddenKind(name)];
    } else if (!entry.is_directory(code)) {
      Take(entry, found);
    } else if (deep) {
      Walk(entry.path(), deep, link, found);
    } else {
      ++left_out_.files["folder"];
    }
  }
  above_.erase(id);
}

void FolderWalk::Take(const fs::directory_entry& entry, std::vector<fs::path>& found) {
  const std::string name = entry.path().filename().string();
  const NameSays says = WhatNameSays(name);
  std::error_code code;
  bool is_picture = says == NameSays::kPicture;
  if (says == NameSays::kNothing) {
    if (entry.is_regular_file(code)) {
      const auto bytes = FirstBytes(entry.path());
      is_picture = !bytes || ImageKind(*bytes) != nullptr;
    } else {
      is_picture = !entry.exists(code);  // a link that leads nowhere, perhaps to pictures
    }
  }
  if (is_picture) {
    found.push_back(entry.path());
  } else if (says == NameSays::kNothing && entry.is_other(code)) {
    ++left_out_.files["special file"];
  } else {
    ++left_out_.files[EndingOrNone(name)];
  }
}

}  // namespace clipsweep
