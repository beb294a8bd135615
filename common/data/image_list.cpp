#include "common/data/image_list.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <system_error>
#include <tuple>

#include "common/data/folder_scan.h"
#include "common/data/name_match.h"
#include "common/data/picture_names.h"
#include "common/disk/file_stamp.h"
#include "common/disk/sha256.h"
#include "common/disk/text_input.h"
#include "common/process/error.h"
#include "common/process/liveness.h"
#include "common/process/log.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;

using Entry = std::pair<std::string, std::string>;  // path relative to root, class

// "; skipped 3 files: 3 .txt; left out ..", or `none` when nothing was.
std::string Rest(const LeftOut& left_out, const char* none) {
  std::string rest;
  for (const std::string& line : left_out.Lines()) rest += "; " + line;
  return rest.empty() ? none : rest;
}

// Pictures of a class folder; what else lies there goes to `left_out`.
std::vector<fs::path> PicturesOfClass(const fs::path& folder, FolderWalk& walk, LeftOut& left_out) {
  walk.left_out() = {};
  std::vector<fs::path> pictures = walk.Pictures(folder);
  if (pictures.empty()) {
    throw InputError(fmt::format("{}: class folder has no pictures{}; fill or remove it",
                                 Printable(folder.string()),
                                 Rest(walk.left_out(), "; it is empty")));
  }
  left_out.Add(walk.left_out());
  return pictures;
}

std::vector<Entry> ScanFolders(const fs::path& root, LeftOut& left_out) {
  std::vector<Entry> entries;
  FolderWalk walk(root);
  for (const fs::directory_entry& folder : EntriesOf(root)) {
    const std::string name = folder.path().filename().string();
    std::error_code code;
    if (IsHiddenName(name)) {
      ++left_out.hidden[HiddenKind(name)];
    } else if (folder.is_directory(code)) {
      for (const fs::path& file : PicturesOfClass(folder.path(), walk, left_out)) {
        entries.emplace_back(file.lexically_relative(root).generic_string(), name);
      }
    } else if (!folder.exists(code) && WhatNameSays(name) == NameSays::kNothing) {
      throw InputError(fmt::format("{}: {}; mend or remove it", Printable(folder.path().string()),
                                   BrokenLinkText(folder.path())));
    } else {
      ++left_out.beside[EndingOrNone(name)];
    }
  }
  if (entries.empty()) {
    throw InputError(fmt::format("{}: no class folders with images; expected {}/CLASS/IMAGE.jpg{}",
                                 Printable(root.string()), Printable(root.string()),
                                 Rest(left_out, "")));
  }
  return entries;
}

// What is there but cannot be opened is found out when it is read.
void CheckListed(const fs::path& path, const std::string& place) {
  std::error_code code, ignored;
  const fs::file_status itself = fs::symlink_status(path, code);
  const char* wrong = nullptr;
  if (fs::is_directory(path, ignored)) {
    wrong = "is a folder; list its files";
  } else if (code == std::errc::filename_too_long) {
    wrong = "is too long for a path";
  } else if (itself.type() == fs::file_type::not_found) {
    wrong = "does not exist";
  }
  if (wrong == nullptr) return;
  throw InputError(fmt::format("{}: {} {}", place, Printable(path.string()), wrong));
}

// The path as it is spelled on disk, where Unicode has two ways to; itself when nothing is there.
fs::path SpelledOnDisk(const fs::path& root, const fs::path& path) {
  for (const fs::path& form :
       {path, fs::path(ToNfc(path.string())), fs::path(ToNfd(path.string()))}) {
    std::error_code code;
    if (fs::symlink_status(root / form, code).type() > fs::file_type::not_found) return form;
  }
  return path;
}

std::vector<Entry> ReadEntries(const fs::path& root, const fs::path& list_file) {
  std::vector<Entry> entries;
  for (const auto& [number, line] : ReadTextLines(list_file)) {
    MadeProgress();
    const std::size_t tab = line.find('\t');
    const fs::path path = fs::path(line.substr(0, tab)).lexically_normal();
    std::string name = tab == std::string::npos ? "" : line.substr(tab + 1);
    const std::string place = fmt::format("{}:{}", list_file.string(), number);
    if (path.is_absolute() || std::find(path.begin(), path.end(), "..") != path.end()) {
      throw InputError(fmt::format("{}: '{}' leaves the image folder; give a path below --images",
                                   place, Printable(path.string())));
    }
    if (name.empty() && path.has_parent_path()) name = path.begin()->string();
    if (name.empty()) {
      throw InputError(fmt::format("{}: no class; write path<TAB>class", place));
    }
    if (name.find('\t') != std::string::npos) {
      throw InputError(fmt::format("{}: has several tabs; write path<TAB>class", place));
    }
    const fs::path spelled = SpelledOnDisk(root, path);
    CheckListed(root / spelled, place);
    entries.emplace_back(spelled.generic_string(), name);
  }
  if (entries.empty()) throw InputError(fmt::format("{}: lists no images", list_file.string()));
  return entries;
}

// Names of files go into lists and results, which are UTF-8. Classes take normal form C, so that a
// list, another machine's folders and these agree; two spellings of one class are refused.
void UnifyNames(const fs::path& root, std::vector<Entry>& entries) {
  std::map<std::string, std::string> spelling_of;
  for (auto& [path, name] : entries) {
    if (FirstNotUtf8(path) != std::string::npos || FirstNotUtf8(name) != std::string::npos) {
      throw InputError(fmt::format("{}: the name '{}' is not UTF-8 (Latin-1?); rename it",
                                   root.string(), BytesOf(path)));
    }
    const std::string nfc = ToNfc(name);
    const auto [known, is_new] = spelling_of.emplace(nfc, name);
    if (!is_new && known->second != name) {
      throw InputError(
          fmt::format("{}: classes '{}' and '{}' are one name in two normal forms of Unicode; put "
                      "their images into one folder",
                      root.string(), BytesOf(known->second), BytesOf(name)));
    }
    name = nfc;
  }
}

void Fingerprint(ImageList& list) {
  Sha256 hash, sizes;
  for (const std::string& name : list.classes) hash.Update(name + "\n");
  for (std::size_t i = 0; i < list.paths.size(); ++i) {
    MadeProgress();
    hash.Update(fmt::format("{}\t{}\n", list.paths[i], list.labels[i]));
    sizes.Update(fmt::format("{}\n", StampOf(list.root / list.paths[i]).size));
  }
  list.sha256 = hash.Hex();
  list.sizes_sha256 = sizes.Hex();
}

}  // namespace

ImageList ReadImageList(const fs::path& root, const fs::path& list_file,
                        const std::vector<std::string>& classes) {
  if (std::error_code code; !fs::is_directory(root, code)) {
    const bool is_closed = code == std::errc::permission_denied;
    throw InputError(
        fmt::format("{}: image folder {}; check its name", Printable(root.string()),
                    is_closed ? "cannot be opened: permission denied" : "does not exist"));
  }
  ImageList list;
  list.root = root;
  std::vector<Entry> entries =
      list_file.empty() ? ScanFolders(root, list.left_out) : ReadEntries(root, list_file);
  UnifyNames(root, entries);
  list.classes = classes;
  if (classes.empty()) {
    for (const Entry& entry : entries) list.classes.push_back(entry.second);
    std::sort(list.classes.begin(), list.classes.end());
    list.classes.erase(std::unique(list.classes.begin(), list.classes.end()), list.classes.end());
  }
  std::map<std::string, std::int32_t> label_of;
  for (std::size_t c = 0; c < list.classes.size(); ++c) {
    label_of[list.classes[c]] = static_cast<std::int32_t>(c);
  }
  std::sort(entries.begin(), entries.end(), [&](const Entry& a, const Entry& b) {
    const auto left = label_of.find(a.second), right = label_of.find(b.second);
    const int la = left == label_of.end() ? -1 : left->second;
    const int lb = right == label_of.end() ? -1 : right->second;
    return std::tie(la, a.first) < std::tie(lb, b.first);
  });
  for (const auto& [path, name] : entries) {
    const auto found = label_of.find(name);
    if (found == label_of.end()) {
      throw InputError(
          fmt::format("{}: class folder '{}' is not in --classnames{}; add or remove it",
                      Printable(root.string()), Printable(name), NearName(name, list.classes)));
    }
    list.paths.push_back(path);
    list.labels.push_back(found->second);
  }
  Fingerprint(list);
  return list;
}

std::int64_t ClassesWithoutImages(const std::vector<std::int32_t>& labels, std::size_t classes) {
  std::vector<bool> seen(classes, false);
  for (const std::int32_t label : labels) seen.at(static_cast<std::size_t>(label)) = true;
  return std::count(seen.begin(), seen.end(), false);
}

}  // namespace clipsweep
