#include "common/files/text_file.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "common/data/class_names.h"
#include "common/data/name_match.h"
#include "common/process/error.h"
#include "common/process/log.h"

namespace clipsweep {
namespace {

constexpr double kMostLogitScale = 1e6;

// Row of the text by folder, else by a name that one class alone has. Names are equal when their
// normal forms C are.
class RowsByName {
 public:
  explicit RowsByName(const TextSet& text) : text_(text) {
    for (std::size_t c = 0; c < text.classes.size(); ++c) Add(by_folder_, text.classes[c], c);
    for (std::size_t c = 0; c < text.classnames.size(); ++c) Add(by_name_, text.classnames[c], c);
  }

  bool Has(const std::string& name) const { return Find(name) != nullptr; }

  // Throws InputError, also when several classes have the name or the row is taken.
  std::size_t Take(const std::string& name, const FeatureSet& features) {
    const std::vector<std::size_t>* found = Find(name);
    if (found == nullptr) FailMissing(name, features);
    const std::vector<std::size_t>& rows = *found;
    if (rows.size() > 1) {
      throw InputError(fmt::format(
          "{}: '{}' is the name of {} classes, rows {} and {} among them, so class '{}' of {} has "
          "no text of its own; write lines folder<TAB>name in --classnames and encode again",
          text_.path.string(), Printable(name), rows.size(), rows[0], rows[1], Printable(name),
          features.path.string()));
    }
    const auto [taken, is_new] = taken_.emplace(rows[0], name);
    if (!is_new) {
      throw InputError(fmt::format(
          "{}: row {} would be the text of both '{}' and '{}' of {}; give each its own line in "
          "--classnames and encode again",
          text_.path.string(), rows[0], Printable(taken->second), Printable(name),
          features.path.string()));
    }
    return rows[0];
  }

 private:
  using Rows = std::unordered_map<std::string, std::vector<std::size_t>>;

  static void Add(Rows& rows, const std::string& name, std::size_t row) {
    rows[ToNfc(name)].push_back(row);
  }

  const std::vector<std::size_t>* Find(const std::string& name) const {
    const std::string key = ToNfc(name);
    for (const Rows* rows : {&by_folder_, &by_name_}) {
      if (const auto found = rows->find(key); found != rows->end()) return &found->second;
    }
    return nullptr;
  }

  [[noreturn]] void FailMissing(const std::string& name, const FeatureSet& features) const {
    std::string hint = NearName(name, text_.classes);
    if (hint.empty()) hint = NearName(name, text_.classnames);
    throw InputError(fmt::format(
        "{}: has no text for class '{}' of {}{}; add it to --classnames and encode again",
        text_.path.string(), Printable(name), features.path.string(), hint));
  }

  const TextSet& text_;
  Rows by_folder_, by_name_;
  std::unordered_map<std::size_t, std::string> taken_;  // row -> class of the features
};

// Whether the text was made from names without folders.
bool IsPlainList(const TextSet& text) {
  for (std::size_t c = 0; c < text.classes.size(); ++c) {
    std::string name = text.classes[c];
    std::replace(name.begin(), name.end(), '_', ' ');
    if (name != text.classnames[c]) return false;
  }
  return true;
}

}  // namespace

void WriteTextFile(const std::filesystem::path& path, const TextSet& set) {
  H5Writer file(path);
  WriteHeader(file, kTextFormat, set.made_from);
  file.Write("text", {static_cast<hsize_t>(set.count), static_cast<hsize_t>(set.width)}, set.text);
  file.Write("classes", set.classes);
  file.Write("classnames", set.classnames);
  file.Write("templates", set.templates);
  if (set.logit_scale != TextSet().logit_scale) file.Attribute("logit_scale", set.logit_scale);
  if (set.text_norm > 0) file.Attribute("text_norm", set.text_norm);
  file.Commit();
}

TextSet ReadTextFile(const std::filesystem::path& path) {
  const H5Reader file(path);
  CheckHeader(file, kTextFormat);
  TextSet set;
  set.path = path;
  set.seal = file.seal();
  const auto shape = file.Shape("text");
  if (shape.size() != 2 || shape[0] == 0 || shape[1] == 0) file.Fail("'text' must be [C, D]");
  set.count = static_cast<std::int64_t>(shape[0]);
  set.width = static_cast<std::int64_t>(shape[1]);
  set.text = file.Floats("text");
  set.classes = file.Texts("classes");
  set.classnames = file.Texts("classnames");
  set.templates = file.Texts("templates");
  set.made_from = ReadProvenance(file);
  if (file.HasAttribute("logit_scale")) set.logit_scale = file.DoubleAttribute("logit_scale");
  if (file.HasAttribute("text_norm")) set.text_norm = file.DoubleAttribute("text_norm");
  if (!(set.logit_scale > 0 && set.logit_scale <= kMostLogitScale && set.text_norm >= 0 &&
        std::isfinite(set.text_norm))) {
    file.Fail("'logit_scale' or 'text_norm' is not a number that it can be; make it again");
  }
  if (set.classes.size() != shape[0] || set.classnames.size() != shape[0]) {
    file.Fail(fmt::format("{} rows of text but {} classes and {} class names", shape[0],
                          set.classes.size(), set.classnames.size()));
  }
  for (std::size_t c = 0; c < shape[0]; ++c) {
    double sum = 0;
    for (std::size_t d = 0; d < shape[1]; ++d) {
      const double value = set.text[c * shape[1] + d];
      sum += value * value;
    }
    if (!(std::abs(sum - 1.0) < 1e-3)) {
      file.Fail(
          fmt::format("row {} ({}) has length {}, text rows must have length 1; make it again", c,
                      Printable(set.classnames[c]), std::sqrt(sum)));
    }
  }
  return set;
}

std::vector<float> TextRowsFor(const TextSet& text, const FeatureSet& features,
                               const Allowed& allowed, Oddities& oddities) {
  if (text.width != features.width) {
    throw InputError(fmt::format(
        "{}: text rows are {} wide but the features of {} are {}; make both with the same model",
        text.path.string(), text.width, features.path.string(), features.width));
  }
  RowsByName row_of(text);
  std::size_t matched = 0;
  for (const std::string& name : features.classes) matched += row_of.Has(name) ? 1 : 0;
  const bool by_position =
      matched == 0 && IsPlainList(text) && text.classes.size() == features.classes.size();
  if (by_position) {
    const std::string alike = LooksLike(text.classes, features.classes);
    if (!alike.empty()) {
      throw InputError(fmt::format(
          "{}: {}, so names cannot be given to the folders of {} by their places; write lines "
          "folder<TAB>name in --classnames, as '{}<TAB>..', and encode again",
          text.path.string(), alike, features.path.string(), Printable(features.classes[0])));
    }
    const std::string what = fmt::format(
        "no class of text has the name of a class of the features: '{}' is taken for "
        "'{}', and so on in file order",
        Printable(text.classnames.front()), Printable(features.classes.front()));
    if (!allowed.by_position) {
      throw InputError(fmt::format(
          "{}, {}: no class has the same name in both ('{}' and '{}' stand first); write "
          "folder<TAB>name into --classnames and encode again, or give --match-by-position if both "
          "are in one order",
          text.path.string(), features.path.string(), Printable(text.classnames.front()),
          Printable(features.classes.front())));
    }
    oddities.by_position.push_back(what);
  }
  const auto d = static_cast<std::size_t>(text.width);
  std::vector<float> rows(features.classes.size() * d);
  for (std::size_t c = 0; c < features.classes.size(); ++c) {
    std::size_t from = c;
    if (!by_position) from = row_of.Take(features.classes[c], features);
    std::copy_n(text.text.begin() + static_cast<std::ptrdiff_t>(from * d), d,
                rows.begin() + static_cast<std::ptrdiff_t>(c * d));
  }
  return rows;
}

}  // namespace clipsweep
