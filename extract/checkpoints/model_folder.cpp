#include "extract/checkpoints/model_folder.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <vector>

#include "common/data/folder_scan.h"
#include "common/disk/atomic_file.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "extract/checkpoints/file_kind.h"

namespace clipsweep {
namespace {

namespace fs = std::filesystem;

std::optional<fs::path> CheckpointAt(const fs::path& path) {
  std::error_code code;
  if (fs::is_regular_file(path, code)) return path;
  if (!fs::is_directory(path, code)) return std::nullopt;
  for (const char* name :
       {"open_clip_model.safetensors", "model.safetensors",
        "open_clip_model.safetensors.index.json", "model.safetensors.index.json"}) {
    if (fs::is_regular_file(path / name, code)) return path / name;
    if (fs::is_symlink(path / name, code) && !fs::exists(path / name, code)) {
      throw InputError(
          fmt::format("{}: {}; fetch the model again, or copy it with its links followed (cp -L)",
                      Printable((path / name).string()), BrokenLinkText(path / name)));
    }
  }
  return std::nullopt;
}

// The file names in a folder, in the order of their bytes, and its folders' with a '/'.
std::vector<std::string> NamesIn(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(folder, code)) {
    names.push_back(entry.path().filename().string() + (entry.is_directory(code) ? "/" : ""));
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Why a folder without the files above is none of a model, by what is in it.
[[noreturn]] void RefuseFolder(const fs::path& folder) {
  const std::vector<std::string> names = NamesIn(folder);
  const auto refuse = [&](const std::string& what) {
    throw InputError(fmt::format("{}: {}", Printable(folder.string()), what));
  };
  const auto ending = [&](const std::vector<std::string>& endings) -> std::string {
    for (const std::string& end : endings) {
      for (const std::string& name : names) {
        if (name.ends_with(end)) return name;
      }
    }
    return "";
  };
  const auto has = [&](const char* name) {
    return std::binary_search(names.begin(), names.end(), name);
  };
  if (has("adapter_model.safetensors") || has("adapter_model.bin") || has("adapter_config.json")) {
    refuse(
        "is a LoRA adapter (adapter_config.json), not a model; merge it into its base model "
        "(merge_and_unload) and save that");
  }
  if (const std::string pickle = ending(
          {"pytorch_model.bin", ".bin.index.json", ".bin", ".pt", ".pth", ".ckpt", ".pth.tar"});
      !pickle.empty()) {
    refuse(
        fmt::format("has no safetensors, but '{}'; if it is a pickle of torch.save, convert it: "
                    "{}",
                    Printable(pickle), ConvertCommand(folder / pickle)));
  }
  if (has("0_CLIPModel/")) {
    refuse(fmt::format("is a folder of sentence-transformers; give {}",
                       Printable((folder / "0_CLIPModel").string())));
  }
  if (has("snapshots/")) {
    refuse("is a folder of the hub's cache; give the folder below its snapshots/");
  }
  if (const std::string name = ending({".safetensors"}); !name.empty()) {
    refuse(name.find("-of-") == std::string::npos
               ? fmt::format("has no model.safetensors, but '{}'; give that file", Printable(name))
               : fmt::format("has shards ('{}') without model.safetensors.index.json; fetch it",
                             Printable(name)));
  }
  if (const std::string name = ending({".h5", ".msgpack", ".onnx", ".gguf", ".pb", ".tflite"});
      !name.empty()) {
    refuse(
        fmt::format("has no safetensors, but '{}' of another framework; fetch the model's "
                    "safetensors",
                    Printable(name)));
  }
  const bool configured = has("config.json") || has("open_clip_config.json");
  refuse(fmt::format("this folder has neither open_clip_model.safetensors nor model.safetensors{}",
                     configured ? ", but a configuration; fetch the weights too"
                                : "; give a folder as the hubs lay out a model"));
  throw InternalError("not reached");
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
  if (fs::is_directory(spec, code)) RefuseFolder(spec);
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
    if (fs::is_directory(candidate, code) &&
        !fs::equivalent(candidate, candidate.parent_path(), code)) {
      RefuseFolder(candidate);
    }
  }
  std::vector<std::string> looked;
  for (const fs::path& candidate : candidates) looked.push_back(candidate.string());
  throw InputError(fmt::format(
      "{}: no such model file{}{}; give a path, or set CLIPSWEEP_MODELS to the folder of "
      "your checkpoints",
      Printable(spec), looked.empty() ? "" : ", nor ", fmt::join(looked, ", ")));
}

}  // namespace clipsweep
