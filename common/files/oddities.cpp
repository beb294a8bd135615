#include "common/files/oddities.h"

#include <algorithm>
#include <sstream>

namespace clipsweep {

void Oddities::Add(const Oddities& others) {
  for (const OddityKind& kind : kOddityKinds) {
    for (const std::string& sentence : others.*kind.list) {
      auto& own = this->*kind.list;
      if (std::find(own.begin(), own.end(), sentence) == own.end()) own.push_back(sentence);
    }
  }
}

void RecordOddities(const Oddities& oddities, Provenance& made_from) {
  for (const OddityKind& kind : kOddityKinds) {
    std::string lines;
    for (const std::string& sentence : oddities.*kind.list) {
      lines += (lines.empty() ? "" : "\n") + sentence;
    }
    if (!lines.empty()) made_from[kind.name] = lines;
  }
}

Oddities RecordedOddities(const Provenance& made_from) {
  Oddities oddities;
  for (const OddityKind& kind : kOddityKinds) {
    const auto found = made_from.find(kind.name);
    if (found == made_from.end()) continue;
    std::istringstream lines(found->second);
    for (std::string line; std::getline(lines, line);) (oddities.*kind.list).push_back(line);
  }
  return oddities;
}

}  // namespace clipsweep
