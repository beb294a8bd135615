#include "launch/convert/import.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "common/files/feature_file.h"
#include "common/files/text_file.h"
#include "common/process/error.h"
#include "common/process/liveness.h"
#include "launch/convert/import_read.h"

namespace clipsweep {
namespace {

// Half precision keeps a length of 1 to about 0.0005.
constexpr double kUnitTolerance = 1e-3;

// The number of classes before any is left out.
std::int64_t ClassCount(const ReadArrays& read) {
  if (read.rows.classes > 0) return read.rows.classes;
  if (read.choice.index.empty() && !read.choice.classes.empty()) {
    return static_cast<std::int64_t>(read.choice.classes.size());
  }
  std::int64_t count = 0;
  for (const std::int64_t label : read.rows.labels) count = std::max(count, label + 1);
  for (const std::int64_t kept : read.choice.index) count = std::max(count, kept + 1);
  return count;
}

void CheckLabels(const ReadArrays& read, std::int64_t classes) {
  const std::int64_t most = std::min(classes, kMostClasses);
  for (std::size_t i = 0; i < read.rows.labels.size(); ++i) {
    const std::int64_t label = read.rows.labels[i];
    if (label >= 0 && label < classes && label < kMostClasses) continue;
    throw InputError(
        fmt::format("{}: row {} has label {}, which is not in 0..{}, for {} classes; count "
                    "classes from 0",
                    read.rows.labels_where, i, label, most - 1, most));
  }
  for (const std::int64_t kept : read.choice.index) {
    if (kept < classes) continue;
    throw InputError(
        fmt::format("{}: has {} classes, class {} is to be kept; take the class_index "
                    "of these classes",
                    read.where, classes, kept));
  }
}

// [classes] -> number among those kept, -1 for others.
std::vector<std::int32_t> Places(const ClassChoice& choice, std::int64_t classes) {
  std::vector<std::int32_t> place(static_cast<std::size_t>(classes), -1);
  std::int32_t next = 0;
  if (choice.index.empty()) {
    for (std::int32_t& at : place) at = next++;
  }
  for (const std::int64_t kept : choice.index) place[static_cast<std::size_t>(kept)] = next++;
  return place;
}

FeatureSet ToFeatures(const ImportConfig& config, ReadArrays& read, ImportResult& result) {
  const std::int64_t classes = ClassCount(read);
  CheckLabels(read, classes);
  const std::vector<std::int32_t> place = Places(read.choice, classes);
  NameClasses(read.choice, read.choice.index.empty()
                               ? classes
                               : static_cast<std::int64_t>(read.choice.index.size()));
  const Matrix& matrix = read.rows.matrix;
  const auto width = static_cast<std::size_t>(matrix.width);
  const std::string role = config.as == ImportAs::kCache ? "cache"
                           : config.part.empty()         ? "features"
                                                         : config.part;
  FeatureSet set;
  if (read.choice.index.empty()) set.features.reserve(matrix.values.size());
  set.width = matrix.width;
  set.classes = read.choice.classes;
  for (std::size_t i = 0; i < read.rows.labels.size(); ++i) {
    const std::int32_t label = place[static_cast<std::size_t>(read.rows.labels[i])];
    if (label < 0) continue;
    const std::span<const float> row(matrix.values.data() + i * width, width);
    if (!IsUsableRow(row)) {
      throw InputError(
          fmt::format("{}: row {} is zero or nearly so, or beyond float32; leave that "
                      "image out",
                      read.where, i));
    }
    set.features.insert(set.features.end(), row.begin(), row.end());
    set.paths.push_back(fmt::format("{}/{:06d}", role, set.labels.size()));
    set.labels.push_back(label);
  }
  set.count = static_cast<std::int64_t>(set.labels.size());
  if (set.count == 0) {
    throw InputError(
        fmt::format("{}: has no row of the {} classes that are kept; take the "
                    "class_index of these classes",
                    read.where, read.choice.classes.size()));
  }
  result.rows_left_out = matrix.rows - set.count;
  set.made_from = read.made_from;
  return set;
}

// Unit rows; `result` gets how long they were.
TextSet ToText(ReadArrays& read, ImportResult& result) {
  const Matrix& matrix = read.rows.matrix;
  const auto width = static_cast<std::size_t>(matrix.width);
  std::vector<std::int64_t> rows =
      read.rows_are_chosen ? std::vector<std::int64_t>() : read.choice.index;
  if (rows.empty()) {
    for (std::int64_t c = 0; c < matrix.rows; ++c) rows.push_back(c);
  }
  NameClasses(read.choice, static_cast<std::int64_t>(rows.size()));
  TextSet set;
  set.count = static_cast<std::int64_t>(rows.size());
  set.width = matrix.width;
  double sum = 0, least = std::numeric_limits<double>::max(), most = 0;
  for (const std::int64_t c : rows) {
    if (c >= matrix.rows) {
      throw InputError(
          fmt::format("{}: has {} classes, class {} is to be kept; take the "
                      "class_index of these classes",
                      read.where, matrix.rows, c));
    }
    const std::span<const float> row(matrix.values.data() + static_cast<std::size_t>(c) * width,
                                     width);
    if (!IsUsableRow(row)) {
      throw InputError(fmt::format("{}: the text of class {} is zero or nearly so; encode it again",
                                   read.where, c));
    }
    double squares = 0;
    for (const float value : row) squares += static_cast<double>(value) * value;
    const double length = std::sqrt(squares);
    sum += length;
    least = std::min(least, length);
    most = std::max(most, length);
    for (const float value : row) set.text.push_back(static_cast<float>(value / length));
  }
  result.text_norm = sum / static_cast<double>(rows.size());
  set.made_from = read.made_from;
  if (std::max(most - 1, 1 - least) > kUnitTolerance) {
    set.text_norm = result.text_norm;
    result.notes.push_back(fmt::format("{}: rows are {:.4g} to {:.4g} long; they are made 1 long",
                                       read.where, least, most));
  }
  set.classes = read.choice.classes;
  set.classnames = read.choice.names;
  set.templates = {"imported"};
  return set;
}

}  // namespace

ImportResult RunImport(const ImportConfig& config) {
  EnterStage("import: read");
  ImportResult result;
  const bool text = config.as == ImportAs::kText;
  ReadArrays read = ReadSource(config, result.notes);
  read.made_from.insert(read.choice.made_from.begin(), read.choice.made_from.end());
  if (config.layout) {
    read.made_from["layout"] = *config.layout == Layout::kRows ? "rows" : "columns";
  }
  const IfPresent if_present = config.fresh ? IfPresent::kRecompute : IfPresent::kReuse;
  EnterStage("import: write");
  if (text) {
    const TextSet set = ToText(read, result);
    result.rows = result.classes = set.count;
    result.width = set.width;
    result.reused_output = IsUpToDate(config.out, kTextFormat, set.made_from, if_present);
    if (!result.reused_output) WriteTextFile(config.out, set);
  } else {
    FeatureSet set = ToFeatures(config, read, result);
    result.rows = set.count;
    result.width = set.width;
    result.classes = static_cast<std::int64_t>(set.classes.size());
    result.reused_output = IsUpToDate(config.out, kFeatureFormat, set.made_from, if_present);
    if (!result.reused_output) WriteFeatureFile(config.out, std::move(set), FloatKind::kF32);
  }
  result.sha256 = SealOf(config.out);
  return result;
}

}  // namespace clipsweep
