#include "common/text_file.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "common/error.h"
#include "common/log.h"

namespace clipsweep {

void WriteTextFile(const std::filesystem::path& path, const TextSet& set) {
  H5Writer file(path);
  WriteHeader(file, kTextFormat, set.made_from);
  file.Write("text", {static_cast<hsize_t>(set.count), static_cast<hsize_t>(set.width)}, set.text);
  file.Write("classes", set.classes);
  file.Write("classnames", set.classnames);
  file.Write("templates", set.templates);
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
  std::unordered_map<std::string, std::size_t> row_of;
  for (std::size_t c = 0; c < text.classnames.size(); ++c) row_of[text.classnames[c]] = c;
  for (std::size_t c = 0; c < text.classes.size(); ++c) row_of[text.classes[c]] = c;
  std::size_t matched = 0;
  for (const std::string& name : features.classes) matched += row_of.count(name);
  const bool by_position = matched == 0 && text.classes == text.classnames &&
                           text.classes.size() == features.classes.size();
  if (by_position) {
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
    if (!by_position) {
      const auto found = row_of.find(features.classes[c]);
      if (found == row_of.end()) {
        throw InputError(fmt::format(
            "{}: has no text for class '{}' of {}; add it to --classnames and encode again",
            text.path.string(), Printable(features.classes[c]), features.path.string()));
      }
      from = found->second;
    }
    std::copy_n(text.text.begin() + static_cast<std::ptrdiff_t>(from * d), d,
                rows.begin() + static_cast<std::ptrdiff_t>(c * d));
  }
  return rows;
}

}  // namespace clipsweep
