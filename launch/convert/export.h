// clipsweep files -> arrays of other programs.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "launch/convert/write_arrays.h"

namespace clipsweep {

enum class ExportKind { kNpy, kNpz, kSafetensors };
// By the file's ending. Throws UsageError.
ExportKind ExportKindOf(const std::filesystem::path& out);

// Beside Y.npy: Y-labels.npy.
std::filesystem::path LabelsBeside(const std::filesystem::path& out);

struct ExportResult {
  ArraySet set;                    // what was written
  std::vector<std::string> files;  // with its labels, where those lie beside
  std::vector<std::string> notes;
};

// Throws InputError and UsageError.
ExportResult RunExport(const std::filesystem::path& source, const std::filesystem::path& out);

}  // namespace clipsweep
