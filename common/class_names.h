// Class folders and the names put into prompts, from any of the files people have.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace clipsweep {

struct ClassNames {
  std::vector<std::string>
      classes;                     // [C] folder names; the names themselves where the file has none
  std::vector<std::string> names;  // [C] as people say them: underscores already spaces
};

// Reads, by content:
//   "n01440764 tench"     lines whose first word is a WordNet id (CoOp's classnames.txt)
//   "folder<TAB>name"     lines with a tab
//   "great white shark"   any other lines: name and folder are the same
//   JSON                  ["tench", ..] | {"0": "tench"} | {"0": ["n01440764", "tench"]}
//                         | {"n01440764": "tench"} (label2class.json and its kin)
// Classes are put in byte order of their folders where folders are given, so that rows agree with
// ImageFolder labels. Throws InputError naming the file and the entry.
ClassNames ReadClassNames(const std::filesystem::path& path);

// One template a line, each with exactly one {}. `spec` is imagenet-1, imagenet-7, imagenet-80 or a
// file.
std::vector<std::string> ReadTemplates(const std::string& spec);

// "a photo of a {}." with name -> "a photo of a tench."
std::string FillTemplate(const std::string& text, const std::string& name);

}  // namespace clipsweep
