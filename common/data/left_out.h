// What lies in image folders and is not read, counted by kind, and how that is said.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace clipsweep {

// Kind -> how many.
using KindCounts = std::map<std::string, std::int64_t>;

// "12 .bmp, 8 .gif": falling counts, equal ones in byte order of their kinds; the most frequent
// kinds only, the rest as "5 of 3 other kinds". Safe for a terminal.
std::string KindsText(const KindCounts& kinds);

struct LeftOut {
  KindCounts files;   // by ending, as ".txt"; "without ending", "special file", "folder"
  KindCounts hidden;  // hidden and system files and folders, by name; "._*" for all that begin so
  KindCounts beside;  // files at the top, in no class folder, by ending

  void Add(const LeftOut& other);
  // Of what there is: "skipped 20 files: 12 .bmp, 8 .gif", "left out 2 hidden or system entries:
  // ..", "skipped 1 file beside the class folders: ..".
  std::vector<std::string> Lines() const;
};

}  // namespace clipsweep
