// CoOp's split_zhou_*.json: {"train": [["path", label, "class name"], ..], "val": .., "test": ..}.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "common/data/image_list.h"
#include "launch/options/command.h"

namespace clipsweep {

class CoopSplit {
 public:
  // Throws InputError naming the file and what in it is otherwise.
  explicit CoopSplit(const std::filesystem::path& path);

  bool Has(const char* part) const { return json_.contains(part) && !json_[part].empty(); }
  // In the order of the file; labels count the classes from 0.
  ImageList List(const std::filesystem::path& root, const char* part) const;
  // JSON, in the order of labels.
  std::string ClassNames() const;

 private:
  // Names of classes; with their place before them, "007 crane", where two have one name.
  std::vector<std::string> Classes() const;
  [[noreturn]] void Fail(const std::string& what) const;

  std::filesystem::path path_;
  Json json_;
  std::map<std::int64_t, std::string> names_;
};

}  // namespace clipsweep
