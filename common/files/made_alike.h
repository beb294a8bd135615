// Files that meet in a stage must have been made alike: features of two models, or of one model
// with another activation, preprocessing or arithmetic, give numbers that mean nothing.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "common/files/oddities.h"
#include "common/files/provenance.h"

namespace clipsweep {

// What must be equal wherever two files both have it.
inline constexpr const char* kAlike[] = {"model_sha256", "activation", "preprocess", "precision"};

struct MadeFile {
  std::string role;  // "cache", "features", "text": in what is recorded, which must not depend on
                     // how files are called
  std::filesystem::path path;
  Provenance made_from;
};

// Compares every pair. Throws InputError naming both files and the first field that differs, unless
// `allowed.mixed`; then the differences are in the answer. Files that do not say which model made
// them, as imported ones, pass and are named in it.
Oddities RequireMadeAlike(const std::vector<MadeFile>& files, const Allowed& allowed);

// Of kAlike, what `from` has: for made_from of what is computed from those features.
void InheritMaking(const Provenance& from, Provenance& into);

}  // namespace clipsweep
