// Which way round a matrix is stored: a row for each image or class, or a column. Told by sizes,
// never by values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "launch/convert/array.h"

namespace clipsweep {

struct Matrix {
  std::int64_t rows = 0, width = 0;
  std::vector<float> values;  // [rows, width]
};

// --layout: NxD and CxD are rows, DxN and DxC columns. Nothing for "". Throws UsageError.
enum class Layout { kRows, kColumns };
std::optional<Layout> ParseLayout(const std::string& word);

struct LayoutQuestion {
  std::string where;  // file and array, for errors
  std::vector<std::int64_t> shape;
  bool rows_fit = true, columns_fit = true;
  std::optional<Layout> asked;  // by --layout
  std::optional<Layout> usual;  // where both fit: what files of this name have
  std::string needed;           // what would fit, as "40 rows or columns, one for each label"
};

// Throws InputError where nothing fits, where what was asked does not, and where both would fit and
// nobody says which.
Layout LayoutOf(const LayoutQuestion& question);

// Throws InputError for another number of axes than two and for what ToFloats refuses.
void RequireMatrix(const Array& array, const std::string& where);
Matrix ToMatrix(const Array& array, const std::string& where, Layout layout);

// Features and the class of each.
struct LabelledRows {
  Matrix matrix;
  std::vector<std::int64_t> labels;  // [rows]
  std::int64_t classes = 0;          // C of one-hot labels, 0 where labels are numbers
  std::string labels_where;          // their file and array, for errors
};

struct LabelledArrays {
  Array rows, labels;
  std::string where, labels_where;
  bool one_hot = false;  // labels are known to be [K, C]; else two axes say so, unless C is 1
  std::optional<Layout> asked, usual;
};

// `notes` gets what was turned. Throws InputError.
LabelledRows PairRows(const LabelledArrays& arrays, std::vector<std::string>& notes);

}  // namespace clipsweep
