// What is odd about the files that meet in a stage, yet meant by the user: every result that stands
// on them says so.
#pragma once

#include <string>
#include <vector>

#include "common/files/provenance.h"

namespace clipsweep {

// What the user allows.
struct Allowed {
  bool mixed = false;        // --allow-mixed: files made with different models or settings
  bool overlap = false;      // --allow-overlap: pictures that are in two of cache, val and test
  bool by_position = false;  // --match-by-position: text rows taken for classes of other names
};

// What was found and allowed; each a sentence that names the files.
struct Oddities {
  std::vector<std::string> mixed, overlap, by_position;
  std::vector<std::string> unknown;  // files that do not say which model made them

  bool none() const {
    return mixed.empty() && overlap.empty() && by_position.empty() && unknown.empty();
  }
  void Add(const Oddities& others);
};

// One list of Oddities with the name it has in made_from and in JSON, and what a line on the
// terminal calls it.
struct OddityKind {
  const char* name;
  const char* words;
  std::vector<std::string> Oddities::*list;
};
inline constexpr OddityKind kOddityKinds[] = {
    {"mixed_inputs", "mixed inputs", &Oddities::mixed},
    {"shared_pictures", "not disjoint", &Oddities::overlap},
    {"matched_by_position", "matched by position", &Oddities::by_position},
    {"provenance_unknown", "provenance unknown", &Oddities::unknown},
};

// Into made_from.NAME of a result, and back: what a sweep or an adapter stands on belongs to what
// is made from it.
void RecordOddities(const Oddities& oddities, Provenance& made_from);
Oddities RecordedOddities(const Provenance& made_from);

}  // namespace clipsweep
