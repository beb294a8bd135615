// What of a night's results goes into the history.
#pragma once

#include <string>
#include <vector>

#include "launch/nightly/history.h"
#include "launch/options/command.h"

namespace clipsweep {

// Everything that decides answers and work, apart from the inputs' content.
std::string ConfigHash(const Json& results);

// What the files were made from, as far as it comes from outside.
std::string InputsHash(const Json& results);

// `stages` as an experiment's --json gives them. Times only of what was computed as a whole.
std::vector<Figure> FiguresOf(const Json& results, const Json& stages);

}  // namespace clipsweep
