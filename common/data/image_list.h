// Which images, in which order, with which labels: the ImageFolder convention (one folder per
// class, classes and files in byte order) or a list file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common/data/left_out.h"

namespace clipsweep {

struct ImageList {
  std::filesystem::path root;
  std::vector<std::string> paths;    // [N] relative to root
  std::vector<std::int32_t> labels;  // [N]
  std::vector<std::string> classes;  // [C]
  std::string sha256;                // of classes, paths and labels
  std::string sizes_sha256;          // of the files' sizes: whether ranks see the same files

  LeftOut left_out;  // what lies in the folders and is no image; none of a list file

  std::int64_t size() const { return static_cast<std::int64_t>(paths.size()); }
};

// `list_file` empty: every picture below root/CLASS/ (folder_scan.h). Else lines "path<TAB>class",
// or "path" whose first folder is the class; paths relative to `root`.
// `classes` empty: the folder names found. Else exactly these classes in this order: an image of
// another class is refused, a class may have no images. Throws InputError naming the folder, file
// or line.
ImageList ReadImageList(const std::filesystem::path& root, const std::filesystem::path& list_file,
                        const std::vector<std::string>& classes);

// How many of 0..classes-1 are not among the labels.
std::int64_t ClassesWithoutImages(const std::vector<std::int32_t>& labels, std::size_t classes);

}  // namespace clipsweep
