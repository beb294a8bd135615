// A file of arrays, whichever program wrote it; its kind is told by its bytes.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "launch/convert/array.h"
#include "launch/convert/safetensors_arrays.h"
#include "launch/convert/zip_archive.h"

namespace clipsweep {

class ArrayFile {
 public:
  enum class Kind { kNpy, kNpz, kSafetensors, kTorch };

  // Throws InputError for a file of another kind, naming those that are read.
  explicit ArrayFile(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  Kind kind() const { return kind_; }
  const char* KindName() const;  // "npy", ..
  // Whether its arrays have names; else it has one, whose name is "".
  bool has_names() const { return kind_ == Kind::kNpz || kind_ == Kind::kSafetensors; }
  const std::vector<std::string>& names() const { return names_; }
  bool Has(const std::string& name) const;

  Array Load(const std::string& name) const;
  // "a.npz: array 'text'", or the path alone.
  std::string Where(const std::string& name) const;

  // `asked` where it is not "", else the first of `usual` that is there, else nothing. Of a file
  // without names: "". Throws InputError where `asked` is absent, naming those that are there.
  std::optional<std::string> Find(const std::string& asked,
                                  const std::vector<std::string>& usual) const;
  // The same; where nothing is found, InputError with the names that were looked for.
  std::string Need(const std::string& asked, const std::vector<std::string>& usual) const;

  // Names of classes: an array `classname` or `classes` of texts, or `classes` of the metadata, a
  // JSON list. Empty where there are none.
  std::vector<std::string> ClassTexts() const;

 private:
  std::filesystem::path path_;
  Kind kind_ = Kind::kNpy;
  std::vector<std::string> names_;
  std::unique_ptr<ZipArchive> zip_;  // of an .npz
  std::unique_ptr<SafetensorsArrays> safetensors_;
};

}  // namespace clipsweep
