#include "sweep/subset_file.h"

#include <fmt/core.h>

#include <charconv>
#include <map>
#include <string_view>
#include <unordered_map>

#include "common/data/name_match.h"
#include "common/disk/json_reader.h"
#include "common/disk/text_input.h"
#include "common/process/error.h"
#include "common/process/log.h"

namespace clipsweep {
namespace {

using Json = nlohmann::ordered_json;

class SubsetReader {
 public:
  SubsetReader(std::string file, const CacheRows& cache)
      : file_(std::move(file)), cache_(cache), rows_(cache.classes.size()) {
    for (std::size_t c = 0; c < cache.classes.size(); ++c) {
      class_of_name_[ToNfc(cache.classes[c])] = c;
    }
    for (std::size_t row = 0; row < cache.paths.size(); ++row) {
      row_of_path_[cache.paths[row]] = static_cast<std::int64_t>(row);
    }
    // Another spelling of a path does not hide one that is spelled so.
    for (std::size_t row = 0; row < cache.paths.size(); ++row) {
      row_of_path_.emplace(ToNfc(cache.paths[row]), static_cast<std::int64_t>(row));
    }
    taken_.assign(cache.labels.size(), false);
  }

  void AddPath(const std::string& class_name, const std::string& path) {
    auto found = row_of_path_.find(path);
    if (found == row_of_path_.end()) found = row_of_path_.find(ToNfc(path));
    if (found == row_of_path_.end()) {
      Fail(fmt::format("'{}' is no image of {}", Printable(path), cache_.file));
    }
    AddRow(class_name, found->second);
  }

  void AddRow(const std::string& class_name, std::int64_t row) {
    const auto found = class_of_name_.find(ToNfc(class_name));
    if (found == class_of_name_.end()) {
      Fail(fmt::format("'{}' is no class of {}{}", Printable(class_name), cache_.file,
                       NearName(class_name, cache_.classes)));
    }
    if (row < 0 || row >= static_cast<std::int64_t>(cache_.labels.size())) {
      Fail(fmt::format("row {} of class '{}' is not in 0..{}", row, Printable(class_name),
                       cache_.labels.size() - 1));
    }
    const auto at = static_cast<std::size_t>(row);
    const auto label = static_cast<std::size_t>(cache_.labels[at]);
    if (label != found->second) {
      Fail(fmt::format("row {} ('{}') is listed under '{}' but its class is '{}'", row,
                       Printable(cache_.paths[at]), Printable(class_name),
                       Printable(cache_.classes[label])));
    }
    if (taken_[at]) {
      Fail(fmt::format("row {} ('{}') stands twice", row, Printable(cache_.paths[at])));
    }
    taken_[at] = true;
    rows_[label].push_back(row);
  }

  std::vector<std::vector<std::int64_t>> Take() {
    for (std::size_t c = 0; c < rows_.size(); ++c) {
      if (rows_[c].empty()) {
        Fail(fmt::format("lists no image of class '{}'", Printable(cache_.classes[c])));
      }
    }
    return std::move(rows_);
  }

  [[noreturn]] void Fail(const std::string& what) const {
    throw InputError(fmt::format("{}: {}", file_, what));
  }

 private:
  const std::string file_;
  const CacheRows& cache_;
  std::map<std::string, std::size_t> class_of_name_;
  std::unordered_map<std::string, std::int64_t> row_of_path_;
  std::vector<bool> taken_;
  std::vector<std::vector<std::int64_t>> rows_;
};

void ReadJson(const std::string& text, SubsetReader& reader) {
  const auto [json, fault, repeated] = ParseJson<Json>(text);
  if (fault == JsonFault::kTooDeep || fault == JsonFault::kTooMany) {
    reader.Fail(JsonFaultText(fault) + "; it is an object of class -> list of paths or rows");
  }
  if (!json.is_object()) {
    reader.Fail(
        "is not a JSON object of class -> list of paths or rows (tab-separated lists end in .tsv)");
  }
  if (!repeated.empty()) {
    reader.Fail(
        fmt::format("class '{}' stands twice; put its images into one list", Printable(repeated)));
  }
  for (const auto& [name, entries] : json.items()) {
    if (!entries.is_array()) reader.Fail(fmt::format("'{}' is not a list", Printable(name)));
    for (const Json& entry : entries) {
      if (entry.is_string()) {
        reader.AddPath(name, entry.get<std::string>());
      } else if (entry.is_number_integer()) {
        reader.AddRow(name, entry.get<std::int64_t>());
      } else {
        reader.Fail(fmt::format("'{}' holds what is neither a path nor a row", Printable(name)));
      }
    }
  }
}

void ReadTsv(const std::vector<TextLine>& lines, SubsetReader& reader) {
  for (const auto& [number, line] : lines) {
    if (line.front() == '#') continue;
    const auto tab = line.find('\t');
    if (tab == std::string::npos || line.find('\t', tab + 1) != std::string::npos) {
      reader.Fail(fmt::format("line {} is not class<TAB>path or row", number));
    }
    const std::string name = line.substr(0, tab), entry = line.substr(tab + 1);
    std::int64_t row = 0;
    const auto [end, code] = std::from_chars(entry.data(), entry.data() + entry.size(), row);
    if (code == std::errc() && end == entry.data() + entry.size()) {
      reader.AddRow(name, row);
    } else {
      reader.AddPath(name, entry);
    }
  }
}

}  // namespace

std::vector<std::vector<std::int64_t>> ReadSubsetFile(const std::filesystem::path& path,
                                                      const CacheRows& cache) {
  SubsetReader reader(path.string(), cache);
  if (path.extension() == ".tsv") {
    ReadTsv(ReadTextLines(path), reader);
  } else {
    ReadJson(ReadTextInput(path), reader);
  }
  return reader.Take();
}

}  // namespace clipsweep
