#include "launch/convert/class_choice.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "common/data/class_names.h"
#include "common/data/name_match.h"
#include "common/disk/sha256.h"
#include "common/process/error.h"
#include "common/process/log.h"

namespace clipsweep {
namespace {

constexpr const char* kIndex = "class_index";

void TakeTexts(const std::vector<std::string>& texts, const std::string& by, ClassChoice& choice) {
  choice.classes.clear();
  for (const std::string& text : texts) choice.classes.push_back(ToNfc(text));
  choice.names = choice.classes;
  choice.named_by = by;
}

// Of names of all classes, those that are kept.
void KeepNames(ClassChoice& choice) {
  std::vector<std::string> kept;
  for (const std::int64_t number : choice.index) {
    if (number >= static_cast<std::int64_t>(choice.classes.size())) {
      throw InputError(fmt::format(
          "{}: names {} classes, class {} is to be kept; name the kept ones with --classnames",
          choice.named_by, choice.classes.size(), number));
    }
    kept.push_back(choice.classes[static_cast<std::size_t>(number)]);
  }
  choice.classes = choice.names = std::move(kept);
}

void CheckNames(const ClassChoice& choice) {
  std::set<std::string_view> seen;
  for (std::size_t c = 0; c < choice.classes.size(); ++c) {
    const std::string& name = choice.classes[c];
    if (name.find_first_not_of(' ') == std::string::npos || Printable(name) != name) {
      throw InputError(fmt::format(
          "{}: the name of class {} ('{}') is empty, no UTF-8 or holds control characters; name "
          "classes with --classnames",
          choice.named_by, c, Printable(name)));
    }
    if (!seen.insert(name).second) {
      throw InputError(fmt::format("{}: '{}' names two classes; every class needs its own",
                                   choice.named_by, Printable(name)));
    }
  }
}

}  // namespace

std::vector<std::int64_t> ReadClassIndex(const ArrayFile& file) {
  const std::string where = file.Where(kIndex);
  const Array array = file.Load(kIndex);
  if (array.shape.size() != 1 || IsFloating(array.type)) {
    throw InputError(fmt::format("{}: is {} of {}, a row of whole numbers is needed", where,
                                 ShapeText(array.shape), TypeName(array.type)));
  }
  std::vector<std::int64_t> index = ToWholes(array, where);
  std::set<std::int64_t> seen;
  for (std::size_t i = 0; i < index.size(); ++i) {
    const bool usable = index[i] >= 0 && index[i] < kMostClasses;
    if (usable && seen.insert(index[i]).second) continue;
    throw InputError(fmt::format("{}: entry {} is {}, which {}; each class stands once", where, i,
                                 index[i], usable ? "stands there before" : "numbers no class"));
  }
  return index;
}

ClassChoice ReadClassChoice(const ChoiceFiles& files) {
  ClassChoice choice;
  if (!files.classes_of.empty()) {
    const ArrayFile chosen(files.classes_of);
    if (!chosen.Has(kIndex)) {
      throw InputError(fmt::format(
          "{}: has no array called {}, the numbers of the classes to keep; name an .npz with it",
          Printable(files.classes_of.string()), kIndex));
    }
    choice.index = ReadClassIndex(chosen);
    TakeTexts(chosen.ClassTexts(), Printable(files.classes_of.string()), choice);
    choice.made_from["classes_of_sha256"] = FileSha256(files.classes_of);
  }
  if (!files.classnames.empty()) {
    const ClassNames names = ReadClassNames(files.classnames);
    choice.classes = names.classes;
    choice.names = names.names;
    choice.named_by = Printable(files.classnames.string());
    choice.made_from["classnames_sha256"] = FileSha256(files.classnames);
  } else if (choice.classes.empty() && files.source != nullptr) {
    TakeTexts(files.source->ClassTexts(), Printable(files.source->path().string()), choice);
    if (!choice.classes.empty() && !choice.index.empty()) KeepNames(choice);
  }
  if (!choice.classes.empty() && !choice.index.empty() &&
      choice.classes.size() != choice.index.size()) {
    throw InputError(fmt::format("{}: {} names for the {} classes that are kept; name each",
                                 choice.named_by, choice.classes.size(), choice.index.size()));
  }
  CheckNames(choice);
  return choice;
}

void NameClasses(ClassChoice& choice, std::int64_t kept) {
  if (choice.classes.empty()) {
    for (std::int64_t c = 0; c < kept; ++c) {
      const std::int64_t number =
          choice.index.empty() ? c : choice.index[static_cast<std::size_t>(c)];
      choice.classes.push_back(fmt::format("class-{:04d}", number));
    }
    choice.names = choice.classes;
  }
  if (static_cast<std::int64_t>(choice.classes.size()) == kept) return;
  throw InputError(fmt::format("{}: {} names for {} classes; name each class once", choice.named_by,
                               choice.classes.size(), kept));
}

}  // namespace clipsweep
