#include "launch/experiment/data.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "common/data/class_names.h"
#include "common/data/image_list.h"
#include "common/data/name_match.h"
#include "common/disk/atomic_file.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "launch/experiment/coop_split.h"
#include "launch/experiment/hold_out.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;

std::string ListLine(const fs::path& source, const std::string& path, const std::string& name) {
  for (const std::string* text : {&path, &name}) {
    if (text->find_first_of(std::string_view("\0\t\r\n", 4)) != std::string::npos) {
      throw InputError(fmt::format("{}: '{}' has a tab, a line break or a NUL; rename it",
                                   source.string(), Printable(*text)));
    }
  }
  return path + '\t' + name + '\n';
}

std::string Lines(const ImageList& list, const fs::path& source) {
  std::string lines;
  for (std::size_t i = 0; i < list.paths.size(); ++i) {
    lines +=
        ListLine(source, list.paths[i], list.classes[static_cast<std::size_t>(list.labels[i])]);
  }
  return lines;
}

// Parts `all` into what is kept as keys and what chooses alpha, beta and epoch.
void HoldOutVal(const ExperimentConfig& config, const ImageList& all, const fs::path& lists,
                ExperimentData& data) {
  const HeldOut parts =
      HoldOut(config, all.labels, all.classes, all.root.string(), "give --val, or --tune test");
  const auto lines = [&](const std::vector<std::int64_t>& rows) {
    std::string text;
    for (const std::int64_t row : rows) {
      const auto at = static_cast<std::size_t>(row);
      text +=
          ListLine(all.root, all.paths[at], all.classes[static_cast<std::size_t>(all.labels[at])]);
    }
    return text;
  };
  data.train = {all.root, lists / "train.txt"};
  data.val = {all.root, lists / "val.txt"};
  data.files[data.train.list] = lines(parts.keys);
  data.files[data.val.list] = lines(parts.val);
}

// Every class needs a key: its Tip-Adapter has nothing to say without one.
void RequireEveryClass(const ImageList& train, const std::string& source) {
  const std::int64_t without = ClassesWithoutImages(train.labels, train.classes.size());
  if (without == 0) return;
  std::vector<bool> seen(train.classes.size(), false);
  for (const std::int32_t label : train.labels) seen[static_cast<std::size_t>(label)] = true;
  const auto first = std::find(seen.begin(), seen.end(), false) - seen.begin();
  throw InputError(fmt::format(
      "{}: {} of {} classes have no training image, the first is '{}'; add images, or take the "
      "classes out of --classnames",
      source, without, train.classes.size(),
      Printable(train.classes[static_cast<std::size_t>(first)])));
}

ExperimentData FromFolders(const ExperimentConfig& config, const fs::path& lists) {
  ExperimentData data;
  data.train.images = config.train;
  data.val.images = config.val;
  data.test.images = config.test;
  data.classnames = config.classnames;
  if (!config.classnames.empty() && (!config.val.empty() || config.tune_on_test())) return data;
  std::vector<std::string> classes;
  if (!config.classnames.empty()) classes = ReadClassFolders(config.classnames);
  const ImageList train = ReadImageList(config.train, {}, classes);
  RequireEveryClass(train, config.train.string());
  if (config.classnames.empty()) {
    std::string lines;
    for (const std::string& name : train.classes) lines += ListLine(config.train, name, name);
    data.classnames = lists / "classnames.txt";
    data.files[data.classnames] = lines;
  }
  if (config.val.empty() && !config.tune_on_test()) {
    HoldOutVal(config, train, lists, data);
    data.left_out = train.left_out;
  }
  return data;
}

// Each list of a split names other images.
void RefuseOverlap(const fs::path& source, const std::vector<const ImageList*>& lists) {
  std::set<std::string> seen;
  for (const ImageList* list : lists) {
    std::set<std::string> own;
    for (const std::string& path : list->paths)
      own.insert(fs::path(path).lexically_normal().string());
    for (const std::string& path : own) {
      if (!seen.insert(path).second) {
        throw InputError(
            fmt::format("{}: '{}' is in two of 'train', 'val' and 'test'; leave it in one",
                        source.string(), Printable(path)));
      }
    }
  }
}

ExperimentData FromSplit(const ExperimentConfig& config, const fs::path& lists) {
  const CoopSplit split(config.split);
  std::vector<ImageList> parts;
  for (const char* part : {"train", "val", "test"}) {
    const bool unused = part == std::string("val") && config.tune_on_test();
    if (split.Has(part) && !unused) parts.push_back(split.List(config.images, part));
  }
  std::vector<const ImageList*> lists_of_parts;
  for (const ImageList& part : parts) lists_of_parts.push_back(&part);
  RefuseOverlap(config.split, lists_of_parts);
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
    HoldOutVal(config, split.List(config.images, "train"), lists, data);
  }
  return data;
}

// An image that is measured must choose nothing and be no key, unless --tune test asks for it.
void RefuseOverlap(const ExperimentConfig& config) {
  const auto refuse_same = [](const char* a, const fs::path& first, const char* b,
                              const fs::path& second) {
    std::error_code none;
    if (!fs::equivalent(first, second, none)) return;
    throw UsageError(
        fmt::format("--{}, --{}: are one folder; give images that are in one of them only", a, b));
  };
  refuse_same("train", config.train, "test", config.test);
  if (config.tune_on_test()) return;
  refuse_same("val", config.val, "test", config.test);
  refuse_same("train", config.train, "val", config.val);
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

void CheckImages(const ExperimentConfig& config, const ExperimentData& data) {
  const std::vector<std::string> classes = ReadClassFolders(data.classnames);
  const ImageList train = ReadImageList(data.train.images, data.train.list, classes);
  RequireEveryClass(train, data.train.images.string());
  if (!config.tune_on_test()) ReadImageList(data.val.images, data.val.list, classes);
  ReadImageList(data.test.images, data.test.list, classes);
  std::vector<std::int64_t> images(classes.size(), 0);
  for (const std::int32_t label : train.labels) ++images[static_cast<std::size_t>(label)];
  const std::int64_t shots = *std::max_element(config.shots.begin(), config.shots.end());
  const auto most = *std::max_element(images.begin(), images.end());
  if (shots > most) {
    throw InputError(fmt::format("--shots: {} asked but the largest class of {} has {} images",
                                 shots, data.train.images.string(), most));
  }
  const auto few = std::min_element(images.begin(), images.end());
  if (*few < shots) {
    LogWarning("class '{}' has {} training images: at {} shots it has no more keys than that",
               Printable(classes[static_cast<std::size_t>(few - images.begin())]), *few, shots);
  }
}

ExperimentData ReadExperimentData(const ExperimentConfig& config) {
  RefuseOverlap(config);
  const fs::path lists = config.run / "lists";
  return config.split.empty() ? FromFolders(config, lists) : FromSplit(config, lists);
}

}  // namespace clipsweep
