// Class folders and the names put into prompts, from any of the files people have.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace clipsweep {

struct ClassNames {
  std::vector<std::string>
      classes;                     // [C] folder names; the names themselves where the file has none
  std::vector<std::string> names;  // [C] as people say them: underscores already spaces

  // Names that several classes have, with those classes.
  std::map<std::string, std::vector<std::string>> Shared() const;
};

// Reads, by content:
//   "n01440764 tench"     lines whose first word is a WordNet id (CoOp's classnames.txt)
//   "folder<TAB>name"     lines with a tab
//   "great white shark"   any other lines: name and folder are the same
//   JSON                  ["tench", ..] | {"folder": "tench"}, numbers too | {"0": ["n01440764",
//                         "tench"]} (class_index.json of Keras and torchvision)
// Classes are put in byte order of their folders where folders are given, so that rows agree with
// ImageFolder labels. Two classes may have one name. In a list without folders a name that stands
// twice makes two equal `classes`, whose rows can be taken by position only.
// Text is UTF-8 and kept in normal form C. Throws InputError naming the file and the entry, or the
// shape it has.
ClassNames ReadClassNames(const std::filesystem::path& path);

// Its `classes`, for finding images by them. Throws InputError when a list without folders has a
// name twice.
std::vector<std::string> ReadClassFolders(const std::filesystem::path& path);

// Says once that classes share a name.
void WarnOfSharedNames(const std::filesystem::path& path, const ClassNames& names);

// "" when names of a list may be given to folders by their places; else why not, as "'Dog' and
// folder 'cat' ..": they are the folders' names in another spelling, or at other places, or the
// folders are numbers whose byte order is another than theirs. Both [C], in their orders.
std::string LooksLike(const std::vector<std::string>& names,
                      const std::vector<std::string>& folders);

// One template a line, each with exactly one {}. `spec` is imagenet-1, imagenet-7, imagenet-80 or a
// file.
std::vector<std::string> ReadTemplates(const std::string& spec);

// "a photo of a {}." with name -> "a photo of a tench."
std::string FillTemplate(const std::string& text, const std::string& name);

}  // namespace clipsweep
