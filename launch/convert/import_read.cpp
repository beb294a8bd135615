#include "launch/convert/import_read.h"

#include <fmt/core.h>

#include <algorithm>

#include "common/disk/sha256.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "launch/convert/array_file.h"
#include "launch/convert/tip_adapter_folder.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;

void NoteSource(const fs::path& path, const char* importer, Provenance& made_from) {
  made_from["importer"] = importer;
  made_from["source"] = Printable(path.filename().string());
  made_from["source_sha256"] = FileSha256(path);
}

ClassChoice Choose(const ImportConfig& config, const ArrayFile* source) {
  return ReadClassChoice({config.classnames, config.classes_of, source});
}

// Labels of a source: of --labels, else an array of its own.
void TakeLabels(const ImportConfig& config, const ArrayFile& source, LabelledArrays& arrays,
                Provenance& made_from) {
  static const std::vector<std::string> kNames = {"labels", "values"};
  if (config.labels.empty() && !source.has_names()) {
    throw UsageError(fmt::format(
        "--labels: {} has no labels in it; name a file of them, as labels.npy, [N] whole numbers",
        Printable(source.path().string())));
  }
  const auto take = [&](const ArrayFile& file) {
    const auto name = file.Find("", kNames);
    if (!name) {
      throw InputError(
          fmt::format("{}: has no array called labels or values; add it, or name a file of labels "
                      "with --labels",
                      Printable(file.path().string())));
    }
    arrays.labels = file.Load(*name);
    arrays.labels_where = file.Where(*name);
    arrays.one_hot = *name == "values";
  };
  if (config.labels.empty()) return take(source);
  take(ArrayFile(config.labels));
  made_from["labels_sha256"] = FileSha256(config.labels);
}

ReadArrays ReadRowsFile(const ImportConfig& config, std::vector<std::string>& notes) {
  const ArrayFile source(config.source);
  const bool cache = config.as == ImportAs::kCache;
  const std::string name =
      source.Need(config.key, cache ? std::vector<std::string>{"keys", "features"}
                                    : std::vector<std::string>{"features", "keys"});
  ReadArrays read;
  LabelledArrays arrays;
  arrays.rows = source.Load(name);
  arrays.where = read.where = source.Where(name);
  arrays.asked = config.layout;
  TakeLabels(config, source, arrays, read.made_from);
  read.rows = PairRows(arrays, notes);
  read.choice = Choose(config, &source);
  NoteSource(config.source, source.KindName(), read.made_from);
  if (!name.empty()) read.made_from["array"] = Printable(name);
  return read;
}

ReadArrays ReadRowsFolder(const ImportConfig& config, std::vector<std::string>& notes) {
  const TipAdapterFolder folder(config.source, config.shots);
  ReadArrays read;
  read.choice = Choose(config, nullptr);
  if (!folder.keys().empty()) read.made_from["keys_sha256"] = FileSha256(folder.keys());
  if (config.as == ImportAs::kCache) {
    read.rows = folder.Cache(config.layout, notes);
    read.where = Printable(folder.keys().string());
    NoteSource(folder.keys(), "tip-adapter", read.made_from);
    return read;
  }
  const fs::path file = folder.SplitFile(config.part, 'f');
  read.rows = folder.Split(config.part, config.layout, notes);
  read.where = Printable(file.string());
  NoteSource(file, "tip-adapter", read.made_from);
  if (folder.keys().empty()) return read;
  // The cache says how many classes there are, and how wide features must be.
  std::vector<std::string> said_elsewhere;
  const LabelledRows cache = folder.Cache(std::nullopt, said_elsewhere);
  read.rows.classes = std::max(read.rows.classes, cache.classes);
  if (cache.matrix.width != read.rows.matrix.width) {
    throw InputError(fmt::format(
        "{}: features are {} wide, the keys of {} are {}; take both from "
        "one model",
        read.where, read.rows.matrix.width, Printable(folder.keys().string()), cache.matrix.width));
  }
  return read;
}

Matrix ReadTextMatrix(const Array& array, const std::string& where, const LayoutQuestion& sizes,
                      std::vector<std::string>& notes) {
  const Layout layout = LayoutOf(sizes);
  if (layout != sizes.usual.value_or(Layout::kRows)) {
    notes.push_back(fmt::format("{}: is {}, read as a {} for each class", where,
                                ShapeText(array.shape),
                                layout == Layout::kRows ? "row" : "column"));
  }
  return ToMatrix(array, where, layout);
}

ReadArrays ReadTextFolder(const ImportConfig& config, std::vector<std::string>& notes) {
  const TipAdapterFolder folder(config.source, config.shots);
  const fs::path file = folder.path() / kOfficialText;
  ReadArrays read;
  read.where = Printable(file.string());
  read.choice = Choose(config, nullptr);
  const Array array = ArrayFile(file).Load("");
  RequireMatrix(array, read.where);
  LayoutQuestion question{read.where, array.shape, true, true, config.layout, Layout::kColumns, ""};
  if (!folder.keys().empty()) {
    std::vector<std::string> said_elsewhere;
    const LabelledRows cache = folder.Cache(std::nullopt, said_elsewhere);
    const std::int64_t width = cache.matrix.width, classes = cache.classes;
    question.rows_fit = array.shape[0] == classes && array.shape[1] == width;
    question.columns_fit = array.shape[0] == width && array.shape[1] == classes;
    question.needed =
        fmt::format("{0} x {1} or {1} x {0}, for {0} classes and keys {1} wide", classes, width);
    read.made_from["keys_sha256"] = FileSha256(folder.keys());
  }
  read.rows.matrix = ReadTextMatrix(array, read.where, question, notes);
  NoteSource(file, "tip-adapter", read.made_from);
  return read;
}

ReadArrays ReadTextArrays(const ImportConfig& config, std::vector<std::string>& notes) {
  const ArrayFile source(config.source);
  const std::string name = source.Need(config.key, {"text"});
  ReadArrays read;
  read.where = source.Where(name);
  read.choice = Choose(config, &source);
  if (source.Has("class_index")) {
    if (!config.classes_of.empty()) {
      throw UsageError(fmt::format("--classes-of: {} has a class_index of its own; leave it out",
                                   Printable(source.path().string())));
    }
    read.choice.index = ReadClassIndex(source);
    read.rows_are_chosen = true;
  }
  const Array array = source.Load(name);
  RequireMatrix(array, read.where);
  LayoutQuestion question{read.where, array.shape, true, true, config.layout, std::nullopt, ""};
  if (name == "text") question.usual = Layout::kRows;  // as clipsweep export writes it
  if (config.source.filename() == kOfficialText) question.usual = Layout::kColumns;
  const bool names_are_of_rows = config.classes_of.empty();
  const std::size_t known = read.rows_are_chosen ? read.choice.index.size()
                            : names_are_of_rows  ? read.choice.classes.size()
                                                 : 0;
  if (const auto classes = static_cast<std::int64_t>(known); classes > 0) {
    question.rows_fit = array.shape[0] == classes;
    question.columns_fit = array.shape[1] == classes;
    question.needed = fmt::format("{} rows or columns, one for each class", classes);
  }
  read.rows.matrix = ReadTextMatrix(array, read.where, question, notes);
  NoteSource(config.source, source.KindName(), read.made_from);
  if (!name.empty()) read.made_from["array"] = Printable(name);
  return read;
}

// Options that the source has no use for are mistakes.
void CheckOptions(const ImportConfig& config, bool folder) {
  const bool text = config.as == ImportAs::kText;
  const auto refuse = [](const char* option, const char* why) {
    throw UsageError(fmt::format("--{}: {}; leave it out", option, why));
  };
  if (!config.part.empty() && (config.as != ImportAs::kFeatures || !folder)) {
    refuse("part", "is for --as features of a Tip-Adapter folder");
  }
  if (folder && config.as == ImportAs::kFeatures && config.part.empty()) {
    throw UsageError(
        "--part: say which features of the folder: val (val_f.pt, val_l.pt) or test (test_f.pt, "
        "test_l.pt)");
  }
  if (!config.part.empty() && config.part != "val" && config.part != "test") {
    throw UsageError(fmt::format("--part: '{}' is not one of val, test", Printable(config.part)));
  }
  if (config.shots && !folder) refuse("shots", "is for a Tip-Adapter folder");
  if (!config.key.empty() && folder) refuse("key", "names an array in a file, not in a folder");
  if (!config.labels.empty() && folder) refuse("labels", "a Tip-Adapter folder has its own");
  if (!config.labels.empty() && text)
    refuse("labels", "text has a row for each class and no labels");
}

}  // namespace

ReadArrays ReadSource(const ImportConfig& config, std::vector<std::string>& notes) {
  std::error_code none;
  const bool folder = fs::is_directory(config.source, none);
  CheckOptions(config, folder);
  if (config.as == ImportAs::kText) {
    return folder ? ReadTextFolder(config, notes) : ReadTextArrays(config, notes);
  }
  return folder ? ReadRowsFolder(config, notes) : ReadRowsFile(config, notes);
}

}  // namespace clipsweep
