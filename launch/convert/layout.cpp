#include "launch/convert/layout.h"

#include <fmt/core.h>

#include "common/process/error.h"
#include "common/process/log.h"

namespace clipsweep {
namespace {

template <typename T>
std::vector<T> Transposed(const std::vector<T>& from, std::int64_t rows, std::int64_t columns) {
  const auto height = static_cast<std::size_t>(rows), width = static_cast<std::size_t>(columns);
  std::vector<T> to(from.size());
  for (std::size_t i = 0; i < height; ++i) {
    for (std::size_t j = 0; j < width; ++j) to[j * height + i] = from[i * width + j];
  }
  return to;
}

// The class of each row of [K, C].
std::vector<std::int64_t> FromOneHot(const std::vector<std::int64_t>& values, std::int64_t classes,
                                     const std::string& where) {
  std::vector<std::int64_t> labels;
  const auto width = static_cast<std::size_t>(classes);
  for (std::size_t at = 0; at < values.size(); at += width) {
    std::int64_t others = 0, sum = 0, label = -1;
    for (std::size_t c = 0; c < width; ++c) {
      const std::int64_t value = values[at + c];
      others += value != 0 ? 1 : 0;
      sum += value;
      if (value == 1) label = static_cast<std::int64_t>(c);
    }
    if (others != 1 || label < 0) {
      throw InputError(fmt::format(
          "{}: row {} is not one 1 among zeros: it has {} values other than 0, their sum is {}; "
          "give each image one class",
          where, at / width, others, sum));
    }
    labels.push_back(label);
  }
  return labels;
}

Layout AskOf(const LabelledArrays& arrays, std::int64_t count) {
  const auto& shape = arrays.rows.shape;
  return LayoutOf(
      {arrays.where, shape, shape[0] == count, shape[1] == count, arrays.asked, arrays.usual,
       fmt::format("{} rows, or columns, one for each label in {}", count, arrays.labels_where)});
}

void NoteLayout(const LabelledArrays& arrays, Layout layout, std::vector<std::string>& notes) {
  if (layout == arrays.usual.value_or(Layout::kRows)) return;
  notes.push_back(fmt::format("{}: is {}, read as a {} for each image", arrays.where,
                              ShapeText(arrays.rows.shape),
                              layout == Layout::kRows ? "row" : "column"));
}

LabelledRows FromNumbers(const LabelledArrays& arrays, std::vector<std::string>& notes) {
  LabelledRows found;
  found.labels_where = arrays.labels_where;
  found.labels = ToWholes(arrays.labels, arrays.labels_where);
  const Layout layout = AskOf(arrays, static_cast<std::int64_t>(found.labels.size()));
  NoteLayout(arrays, layout, notes);
  found.matrix = ToMatrix(arrays.rows, arrays.where, layout);
  return found;
}

// [K, C], or [C, K] where only that fits.
LabelledRows FromMatrixOfLabels(const LabelledArrays& arrays, std::vector<std::string>& notes) {
  const auto &shape = arrays.rows.shape, &labels = arrays.labels.shape;
  const auto fits = [&](std::int64_t count) { return shape[0] == count || shape[1] == count; };
  if (!fits(labels[0]) && !fits(labels[1])) {
    throw InputError(fmt::format(
        "{}: is {}, and {} is {}: they have no number of images in common; give the labels of "
        "these images",
        arrays.where, ShapeText(shape), arrays.labels_where, ShapeText(labels)));
  }
  const bool turned = !fits(labels[0]);
  const Layout layout = AskOf(arrays, turned ? labels[1] : labels[0]);
  NoteLayout(arrays, layout, notes);
  LabelledRows found;
  found.labels_where = arrays.labels_where;
  std::vector<std::int64_t> values = ToWholes(arrays.labels, arrays.labels_where);
  if (turned) {
    values = Transposed(values, labels[0], labels[1]);
    notes.push_back(fmt::format("{}: is {}, read as a row for each class", arrays.labels_where,
                                ShapeText(labels)));
  }
  found.classes = turned ? labels[0] : labels[1];
  found.labels = FromOneHot(values, found.classes, arrays.labels_where);
  found.matrix = ToMatrix(arrays.rows, arrays.where, layout);
  return found;
}

}  // namespace

std::optional<Layout> ParseLayout(const std::string& word) {
  if (word.empty()) return std::nullopt;
  if (word == "CxD" || word == "NxD") return Layout::kRows;
  if (word == "DxC" || word == "DxN") return Layout::kColumns;
  throw UsageError(fmt::format("--layout: '{}' is not one of CxD, DxC, NxD, DxN", Printable(word)));
}

Layout LayoutOf(const LayoutQuestion& question) {
  const std::string is = fmt::format("{}: is {}", question.where, ShapeText(question.shape));
  if (!question.rows_fit && !question.columns_fit) {
    throw InputError(fmt::format("{}; needed are {}", is, question.needed));
  }
  if (question.asked) {
    const bool rows = *question.asked == Layout::kRows;
    if (rows ? question.rows_fit : question.columns_fit) return *question.asked;
    throw InputError(
        fmt::format("{}, which --layout does not fit; needed are {}", is, question.needed));
  }
  if (question.rows_fit != question.columns_fit) {
    return question.rows_fit ? Layout::kRows : Layout::kColumns;
  }
  if (question.usual) return *question.usual;
  throw InputError(fmt::format(
      "{}, which may be read both ways; say --layout CxD (a row for each class or image) or "
      "--layout DxC (a column for each)",
      is));
}

void RequireMatrix(const Array& array, const std::string& where) {
  if (array.shape.size() == 2 && ElementCount(array.shape) > 0) return;
  throw InputError(fmt::format(
      "{}: is {}, a matrix is needed, a row for each image or class; save it that way", where,
      array.shape.size() == 1 ? fmt::format("a row of {}", array.shape[0])
                              : ShapeText(array.shape)));
}

Matrix ToMatrix(const Array& array, const std::string& where, Layout layout) {
  RequireMatrix(array, where);
  std::vector<float> values = ToFloats(array, where);
  if (layout == Layout::kRows) return {array.shape[0], array.shape[1], std::move(values)};
  return {array.shape[1], array.shape[0], Transposed(values, array.shape[0], array.shape[1])};
}

LabelledRows PairRows(const LabelledArrays& arrays, std::vector<std::string>& notes) {
  RequireMatrix(arrays.rows, arrays.where);
  const auto& labels = arrays.labels.shape;
  const bool numbers = labels.size() == 1 || (labels.size() == 2 && labels[1] == 1);
  if (numbers && !arrays.one_hot) return FromNumbers(arrays, notes);
  if (labels.size() != 2 || ElementCount(labels) == 0) {
    throw InputError(fmt::format(
        "{}: is {}; labels are [N], whole numbers from 0, or [N, C], a 1 in the place of the class",
        arrays.labels_where, ShapeText(labels)));
  }
  return FromMatrixOfLabels(arrays, notes);
}

}  // namespace clipsweep
