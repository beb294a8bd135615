// text.h5: one unit row per class, the zero-shot classifier W.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common/files/feature_file.h"
#include "common/files/oddities.h"
#include "common/files/provenance.h"

namespace clipsweep {

inline constexpr const char* kTextFormat = "clipsweep-text";

struct TextSet {
  std::int64_t count = 0;   // C
  std::int64_t width = 0;   // D
  std::vector<float> text;  // [C, D], unit rows
  std::vector<std::string>
      classes;  // [C], folder names ("" columns never: equals classnames if none)
  std::vector<std::string> classnames;  // [C], as put into the templates
  std::vector<std::string> templates;   // [T], with {} where the name goes
  // CLIP's exp(logit_scale), 100 where the file does not say, and the mean length of the rows
  // before they were made unit, 0 where it does not: some trainings start there.
  double logit_scale = 100, text_norm = 0;
  Provenance made_from;
  std::string seal;  // identity of the file
  std::filesystem::path path;
};

void WriteTextFile(const std::filesystem::path& path, const TextSet& set);

// Reads and checks shapes, finiteness and unit length. Throws InputError naming the file.
TextSet ReadTextFile(const std::filesystem::path& path);

// The rows of `text` in the class order of `features`: matched by folder name, else by a class name
// that one class alone has, else, when there are equally many of both, the text has no folder
// names, LooksLike() does not speak against it and it is allowed, by position, which is added to
// `oddities`. Throws InputError.
std::vector<float> TextRowsFor(const TextSet& text, const FeatureSet& features,
                               const Allowed& allowed, Oddities& oddities);

}  // namespace clipsweep
