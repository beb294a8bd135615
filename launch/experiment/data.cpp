#include "launch/experiment/data.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "common/atomic_file.h"
#include "common/class_names.h"
#include "common/error.h"
#include "common/image_list.h"
#include "common/log.h"
#include "common/random.h"
#include "launch/json_file.h"
#include "sweep/sweep_plan.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kHoldOutStream =
    0x686f6c64;  // tells these draws from those of other stages

std::string ListLine(const fs::path& source, const std::string& path, const std::string& name) {
  for (const std::string* text : {&path, &name}) {
    if (text->find_first_of("\t\r\n") != std::string::npos) {
      throw InputError(fmt::format("{}: '{}' has a tab or a line break; rename it", source.string(),
                                   Printable(*text)));
    }
  }
  return path + '\t' + name + '\n';
}

// {"train": [["path", label, "class name"], ..], "val": .., "test": ..}
class CoopSplit {
 public:
  explicit CoopSplit(const fs::path& path) : path_(path), json_(ReadJsonObject(path)) {
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
        std::string name = entry[2].get<std::string>();
        std::replace(name.begin(), name.end(), '_', ' ');
        const auto [known, is_new] = names_.emplace(label, name);
        if (!is_new && known->second != name) {
          Fail(fmt::format("label {} is both '{}' and '{}'", label, Printable(known->second),
                           Printable(name)));
        }
      }
    }
    std::map<std::string, std::int64_t> labels;
    for (const auto& [label, name] : names_) {
      const auto [known, is_new] = labels.emplace(name, label);
      if (!is_new) {
        Fail(fmt::format("labels {} and {} have one class name, '{}'; every class needs its own",
                         known->second, label, Printable(name)));
      }
    }
    if (!Has("train") || !Has("test")) Fail("has no 'train' or no 'test' images");
  }

  bool Has(const char* part) const { return json_.contains(part) && !json_[part].empty(); }

  // In the order of the file; labels count the classes from 0.
  ImageList List(const fs::path& root, const char* part) const {
    ImageList list;
    list.root = root;
    std::map<std::int64_t, std::int32_t> place;
    for (const auto& [label, name] : names_) {
      place[label] = static_cast<std::int32_t>(list.classes.size());
      list.classes.push_back(name);
    }
    for (const Json& entry : json_[part]) {
      list.paths.push_back(entry[0].get<std::string>());
      list.labels.push_back(place.at(entry[1].get<std::int64_t>()));
    }
    return list;
  }

  // In the order of labels.
  std::string ClassNames() const {
    Json names = Json::array();
    for (const auto& entry : names_) names.push_back(entry.second);
    return names.dump(1) + "\n";
  }

 private:
  [[noreturn]] void Fail(const std::string& what) const {
    throw InputError(fmt::format("{}: {}; see docs/own-data.md", path_.string(), what));
  }

  fs::path path_;
  Json json_;
  std::map<std::int64_t, std::string> names_;
};

std::string Lines(const ImageList& list, const fs::path& source) {
  std::string lines;
  for (std::size_t i = 0; i < list.paths.size(); ++i) {
    lines +=
        ListLine(source, list.paths[i], list.classes[static_cast<std::size_t>(list.labels[i])]);
  }
  return lines;
}

// Parts `all` into what is kept as keys and what chooses alpha, beta and epoch.
void HoldOut(const ExperimentConfig& config, const ImageList& all, const fs::path& lists,
             ExperimentData& data) {
  std::vector<std::vector<std::size_t>> rows(all.classes.size());
  for (std::size_t i = 0; i < all.paths.size(); ++i) {
    rows[static_cast<std::size_t>(all.labels[i])].push_back(i);
  }
  const std::int64_t shots = *std::max_element(config.shots.begin(), config.shots.end());
  std::string train, val;
  std::int64_t most_left = 0;
  for (std::size_t c = 0; c < rows.size(); ++c) {
    const auto held =
        static_cast<std::size_t>(HeldOut(static_cast<std::int64_t>(rows[c].size()), shots));
    if (held == 0) {
      throw InputError(fmt::format(
          "{}: class '{}' has {} training image(s), none can be held out to choose alpha and beta; "
          "give --val, or --tune test",
          all.root.string(), Printable(all.classes[c]), rows[c].size()));
    }
    most_left = std::max(most_left, static_cast<std::int64_t>(rows[c].size() - held));
    Random(static_cast<std::uint64_t>(config.seed), kHoldOutStream, c).Shuffle(rows[c]);
    for (std::size_t i = 0; i < rows[c].size(); ++i) {
      (i < held ? val : train) += ListLine(all.root, all.paths[rows[c][i]], all.classes[c]);
    }
  }
  if (shots > most_left) {
    throw InputError(
        fmt::format("--shots: {} asked but {} images of the largest class are left as keys when "
                    "validation images "
                    "are held out; ask for fewer shots, give --val, or --tune test",
                    shots, most_left));
  }
  data.train = {all.root, lists / "train.txt"};
  data.val = {all.root, lists / "val.txt"};
  data.files[data.train.list] = train;
  data.files[data.val.list] = val;
  data.held_out = true;
}

ExperimentData FromFolders(const ExperimentConfig& config, const fs::path& lists) {
  ExperimentData data;
  data.train.images = config.train;
  data.val.images = config.val;
  data.test.images = config.test;
  data.classnames = config.classnames;
  if (!config.classnames.empty() && (!config.val.empty() || config.tune_on_test())) return data;
  std::vector<std::string> classes;
  if (!config.classnames.empty()) classes = ReadClassNames(config.classnames).classes;
  const ImageList train = ReadImageList(config.train, {}, classes);
  if (config.classnames.empty()) {
    std::string lines;
    for (const std::string& name : train.classes) lines += ListLine(config.train, name, name);
    data.classnames = lists / "classnames.txt";
    data.files[data.classnames] = lines;
  }
  if (config.val.empty() && !config.tune_on_test()) HoldOut(config, train, lists, data);
  return data;
}

ExperimentData FromSplit(const ExperimentConfig& config, const fs::path& lists) {
  const CoopSplit split(config.split);
  ExperimentData data;
  data.classnames = lists / "classnames.json";
  data.files[data.classnames] = split.ClassNames();
  const auto part = [&](const char* name) -> ExperimentData::Split {
    const fs::path list = lists / (std::string(name) + ".txt");
    data.files[list] = Lines(split.List(config.images, name), config.split);
    return {config.images, list};
  };
  data.test = part("test");
  if (config.tune_on_test() || split.Has("val")) {
    data.train = part("train");
    if (!config.tune_on_test()) data.val = part("val");
  } else {
    HoldOut(config, split.List(config.images, "train"), lists, data);
  }
  return data;
}

void CheckOptions(const ExperimentConfig& config) {
  if (config.split.empty() != config.images.empty()) {
    throw UsageError("--split, --images: belong together; give both or neither");
  }
  const bool folders = !config.train.empty() || !config.val.empty() || !config.test.empty();
  if (!config.split.empty() && (folders || !config.classnames.empty())) {
    throw UsageError(
        "--split: names images and classes itself; leave --train, --val, --test and --classnames "
        "out");
  }
  if (config.split.empty() && (config.train.empty() || config.test.empty())) {
    throw UsageError(
        "--train, --test: give both image folders, or --images and --split for a "
        "split_zhou_*.json");
  }
}

}  // namespace

bool ExperimentData::OnDisk() const {
  return std::all_of(files.begin(), files.end(), [](const auto& file) {
    return fs::exists(file.first) && ReadFile(file.first) == file.second;
  });
}

void ExperimentData::Write() const {
  for (const auto& [path, content] : files) {
    if (!fs::exists(path) || ReadFile(path) != content) WriteFileAtomically(path, content);
  }
}

void ExperimentData::MoveFiles(const fs::path& folder) {
  for (fs::path* path : {&train.list, &val.list, &test.list, &classnames}) {
    if (files.contains(*path)) *path = folder / path->filename();
  }
  std::map<fs::path, std::string> moved;
  for (const auto& [path, content] : files) moved[folder / path.filename()] = content;
  files = std::move(moved);
}

ExperimentData ReadExperimentData(const ExperimentConfig& config) {
  CheckOptions(config);
  const fs::path lists = config.run / "lists";
  return config.split.empty() ? FromFolders(config, lists) : FromSplit(config, lists);
}

}  // namespace clipsweep
