// Which classes an import keeps, and what they are called.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common/files/provenance.h"
#include "launch/convert/array_file.h"

namespace clipsweep {

struct ClassChoice {
  std::vector<std::int64_t> index;   // of the classes that are kept, in their order; empty: all
  std::vector<std::string> classes;  // of those kept: folder names; empty: not named yet
  std::vector<std::string> names;    // of those kept, as people say them
  std::string named_by;              // the file that names them, for errors
  Provenance made_from;              // hashes of the files that say so
};

// More classes than this are a label or a number that is none: each would get a name.
inline constexpr std::int64_t kMostClasses = 1'000'000;

struct ChoiceFiles {
  std::filesystem::path classnames;   // "": none
  std::filesystem::path classes_of;   // with class_index and, maybe, classname; "": none
  const ArrayFile* source = nullptr;  // what is imported, which may name its classes
};

// Names come from --classnames, else from --classes-of, else from the source. Throws InputError.
ClassChoice ReadClassChoice(const ChoiceFiles& files);

// `class_index` of a file of arrays: whole numbers from 0, none twice.
std::vector<std::int64_t> ReadClassIndex(const ArrayFile& file);

// Names and numbers fit `kept` classes; those without names become class-0000 .. by their numbers.
// Throws InputError.
void NameClasses(ClassChoice& choice, std::int64_t kept);

}  // namespace clipsweep
