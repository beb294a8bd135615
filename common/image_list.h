// Which images, in which order, with which labels: the ImageFolder convention (one folder per
// class, classes and files in byte order) or a list file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace clipsweep {

struct ImageList {
  std::filesystem::path root;
  std::vector<std::string> paths;    // [N] relative to root
  std::vector<std::int32_t> labels;  // [N]
  std::vector<std::string> classes;  // [C]
  std::string sha256;                // of classes, paths and labels
  std::string sizes_sha256;          // of the files' sizes: whether ranks see the same files

  std::int64_t size() const { return static_cast<std::int64_t>(paths.size()); }
};

// Whether the name ends as pictures do: .jpg, .jpeg, .png, .webp in any case.
bool IsImageName(const std::filesystem::path& path);

// `list_file` empty: every picture by name below root/CLASS/. Else lines
// "path<TAB>class", or "path" whose first folder is the class; paths relative to `root`.
// `classes` empty: the folder names found. Else exactly these classes in this order: one without
// images, or an image of another class, is refused. Throws InputError naming the folder or line.
ImageList ReadImageList(const std::filesystem::path& root, const std::filesystem::path& list_file,
                        const std::vector<std::string>& classes);

}  // namespace clipsweep
