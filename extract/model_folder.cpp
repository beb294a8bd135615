#include "extract/model_folder.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <vector>

#include "common/atomic_file.h"
#include "common/error.h"
#include "common/log.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;

std::optional<fs::path> CheckpointAt(const fs::path& path) {
  std::error_code code;
  if (fs::is_regular_file(path, code)) return path;
  if (!fs::is_directory(path, code)) return std::nullopt;
  for (const char* name : {"open_clip_model.safetensors", "model.safetensors"}) {
    if (fs::is_regular_file(path / name, code)) return path / name;
  }
  return std::nullopt;
}

std::optional<fs::path> FolderFrom(const char* variable, const char* below) {
  const char* value = std::getenv(variable);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return fs::path(value) / below;
}

}  // namespace

fs::path FindModel(const std::string& spec) {
  if (const auto found = CheckpointAt(spec)) return *found;
  RequireNoPipe(spec);
  std::error_code code;
  if (fs::is_directory(spec, code)) {
    throw InputError(
        fmt::format("{}: this folder has neither open_clip_model.safetensors nor model.safetensors",
                    Printable(spec)));
  }
  std::string stem = spec;
  std::replace_if(
      stem.begin(), stem.end(), [](char c) { return c == '/' || c == '@'; }, '-');
  std::vector<fs::path> candidates;
  if (const auto models = FolderFrom("CLIPSWEEP_MODELS", "")) {
    for (const char* ending : {".safetensors", ".pt", ""}) {
      candidates.push_back(*models / (stem + ending));
    }
  }
  if (const auto downloads = FolderFrom("HOME", ".cache/clip")) {
    candidates.push_back(*downloads / (stem + ".pt"));
  }
  for (const fs::path& candidate : candidates) {
    if (const auto found = CheckpointAt(candidate)) return *found;
  }
  std::vector<std::string> looked;
  for (const fs::path& candidate : candidates) looked.push_back(candidate.string());
  throw InputError(fmt::format(
      "{}: no such model file{}{}; give a path, or set CLIPSWEEP_MODELS to the folder of "
      "your checkpoints",
      Printable(spec), looked.empty() ? "" : ", nor ", fmt::join(looked, ", ")));
}

}  // namespace clipsweep
