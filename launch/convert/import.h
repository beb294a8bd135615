// Arrays of other programs -> a feature file or a text file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "launch/convert/layout.h"

namespace clipsweep {

enum class ImportAs { kCache, kFeatures, kText };

struct ImportConfig {
  std::filesystem::path source;  // a file of arrays, or a folder of the official Tip-Adapter
  ImportAs as = ImportAs::kFeatures;
  std::string part;          // of a folder's features: "val" or "test"
  std::optional<int> shots;  // of a folder's cache, where there are several
  std::string key;           // the array to take, "": the usual name
  std::optional<Layout> layout;
  std::filesystem::path labels;      // file of labels; "": in the source
  std::filesystem::path classnames;  // "": none
  std::filesystem::path classes_of;  // keeps the classes of its class_index; "": keeps all
  std::filesystem::path out;
  bool fresh = false;  // replace an output made otherwise
};

struct ImportResult {
  std::int64_t rows = 0, width = 0, classes = 0;
  std::int64_t rows_left_out = 0;  // of classes that are not kept
  double text_norm = 1;            // mean length of the rows of text as they were given
  bool reused_output = false;
  std::vector<std::string> notes;  // what was turned or made 1 long
  std::string sha256;              // of the output's sealed bytes
};

// Reads and checks everything, then writes the file whole. Throws InputError and UsageError.
ImportResult RunImport(const ImportConfig& config);

}  // namespace clipsweep
