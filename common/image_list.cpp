#include "common/image_list.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <tuple>

#include "common/error.h"
#include "common/liveness.h"
#include "common/log.h"
#include "common/name_match.h"
#include "common/sha256.h"
#include "common/text_input.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;

using Entry = std::pair<std::string, std::string>;  // path relative to root, class

std::vector<Entry> ScanFolders(const fs::path& root) {
  std::vector<Entry> entries;
  for (const auto& folder : fs::directory_iterator(root)) {
    if (!folder.is_directory()) continue;
    const std::string name = folder.path().filename().string();
    if (name.starts_with('.')) continue;
    const std::size_t before = entries.size();
    for (const auto& file : fs::recursive_directory_iterator(folder.path())) {
      MadeProgress();
      if (file.is_directory() || !IsImageName(file.path())) continue;
      if (!file.is_regular_file()) {
        throw InputError(fmt::format("{}: is no file (a dangling link?); mend or remove it",
                                     Printable(file.path().string())));
      }
      entries.emplace_back(file.path().lexically_relative(root).generic_string(), name);
    }
    if (entries.size() == before) {
      throw InputError(
          fmt::format("{}: class folder has no .jpg, .jpeg, .png or .webp; fill or remove it",
                      folder.path().string()));
    }
  }
  if (entries.empty()) {
    throw InputError(fmt::format("{}: no class folders with images; expected {}/CLASS/IMAGE.jpg",
                                 root.string(), root.string()));
  }
  return entries;
}

// The path as it is spelled on disk, where Unicode has two ways to; "" when it is no file.
fs::path SpelledOnDisk(const fs::path& root, const fs::path& path) {
  for (const fs::path& form :
       {path, fs::path(ToNfc(path.string())), fs::path(ToNfd(path.string()))}) {
    if (fs::is_regular_file(root / form)) return form;
  }
  return {};
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
    if (spelled.empty()) {
      throw InputError(
          fmt::format("{}: {} does not exist", place, Printable((root / path).string())));
    }
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

std::string Fingerprint(const ImageList& list) {
  Sha256 hash;
  for (const std::string& name : list.classes) hash.Update(name + "\n");
  for (std::size_t i = 0; i < list.paths.size(); ++i) {
    MadeProgress();
    hash.Update(fmt::format("{}\t{}\t{}\n", list.paths[i], list.labels[i],
                            fs::file_size(list.root / list.paths[i])));
  }
  return hash.Hex();
}

}  // namespace

bool IsImageName(const fs::path& path) {
  std::string ending = path.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return ending == ".jpg" || ending == ".jpeg" || ending == ".png" || ending == ".webp";
}

ImageList ReadImageList(const fs::path& root, const fs::path& list_file,
                        const std::vector<std::string>& classes) {
  if (!fs::is_directory(root)) {
    throw InputError(fmt::format("{}: image folder does not exist; check its name", root.string()));
  }
  std::vector<Entry> entries;
  try {
    entries = list_file.empty() ? ScanFolders(root) : ReadEntries(root, list_file);
  } catch (const fs::filesystem_error& error) {
    throw InputError(fmt::format("{}: cannot be read: {}", root.string(), error.code().message()));
  }
  UnifyNames(root, entries);
  ImageList list;
  list.root = root;
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
  std::vector<bool> seen(list.classes.size(), false);
  for (const auto& [path, name] : entries) {
    const auto found = label_of.find(name);
    if (found == label_of.end()) {
      throw InputError(
          fmt::format("{}: class folder '{}' is not in --classnames{}; add or remove it",
                      root.string(), Printable(name), NearName(name, list.classes)));
    }
    seen[static_cast<std::size_t>(found->second)] = true;
    list.paths.push_back(path);
    list.labels.push_back(found->second);
  }
  for (std::size_t c = 0; c < seen.size(); ++c) {
    if (!seen[c]) {
      throw InputError(fmt::format("{}: class '{}' has no images: its folder is missing",
                                   root.string(), Printable(list.classes[c])));
    }
  }
  list.sha256 = Fingerprint(list);
  return list;
}

}  // namespace clipsweep
