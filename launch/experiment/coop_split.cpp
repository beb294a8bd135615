#include "launch/experiment/coop_split.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "common/data/name_match.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "launch/records/json_file.h"

namespace clipsweep {

namespace fs = std::filesystem;

CoopSplit::CoopSplit(const fs::path& path) : path_(path), json_(ReadJsonObject(path)) {
  for (const char* part : {"train", "val", "test"}) {
    if (!json_.contains(part)) continue;
    if (!json_[part].is_array()) Fail(fmt::format("'{}' is no list", part));
    for (const Json& entry : json_[part]) {
      if (!entry.is_array() || entry.size() != 3 || !entry[0].is_string() ||
          !entry[1].is_number_integer() || !entry[2].is_string()) {
        Fail(fmt::format(
            "an entry of '{}' is not [path, label, class name]: {}", part,
            Printable(entry.dump(-1, ' ', true, Json::error_handler_t::replace)).substr(0, 80)));
      }
      const auto label = entry[1].get<std::int64_t>();
      std::string name = ToNfc(entry[2].get<std::string>());
      std::replace(name.begin(), name.end(), '_', ' ');
      const auto [known, is_new] = names_.emplace(label, name);
      if (!is_new && known->second != name) {
        Fail(fmt::format("label {} is both '{}' and '{}'", label, Printable(known->second),
                         Printable(name)));
      }
    }
  }
  if (!Has("train") || !Has("test")) Fail("has no 'train' or no 'test' images");
}

ImageList CoopSplit::List(const fs::path& root, const char* part) const {
  ImageList list;
  list.root = root;
  std::map<std::int64_t, std::int32_t> place;
  list.classes = Classes();
  for (const auto& entry : names_) place.emplace(entry.first, place.size());
  for (const Json& entry : json_[part]) {
    list.paths.push_back(entry[0].get<std::string>());
    list.labels.push_back(place.at(entry[1].get<std::int64_t>()));
  }
  return list;
}

std::string CoopSplit::ClassNames() const {
  const std::vector<std::string> classes = Classes();
  Json names = Json::array(), folders = Json::object();
  for (const auto& entry : names_) {
    folders[classes[names.size()]] = entry.second;
    names.push_back(entry.second);
  }
  return (classes[0] == names_.begin()->second ? names : folders).dump(1) + "\n";
}

std::vector<std::string> CoopSplit::Classes() const {
  std::set<std::string> distinct;
  for (const auto& entry : names_) distinct.insert(entry.second);
  std::vector<std::string> classes;
  const std::size_t digits = std::to_string(names_.size() - 1).size();
  for (const auto& entry : names_) {
    classes.push_back(distinct.size() == names_.size()
                          ? entry.second
                          : fmt::format("{:0{}} {}", classes.size(), digits, entry.second));
  }
  return classes;
}

void CoopSplit::Fail(const std::string& what) const {
  throw InputError(fmt::format("{}: {}; see docs/own-data.md", path_.string(), what));
}

}  // namespace clipsweep
