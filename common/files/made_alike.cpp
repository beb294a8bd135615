#include "common/files/made_alike.h"

#include <fmt/core.h>

#include "common/process/error.h"
#include "common/process/log.h"

namespace clipsweep {
namespace {

// The value of `field`; nullptr when the file does not say. Image features of a ResNet need no
// activation, so theirs may be "not stated".
const std::string* ValueOf(const MadeFile& file, const char* field) {
  const auto found = file.made_from.find(field);
  return found == file.made_from.end() || found->second == "not stated" ? nullptr : &found->second;
}

// A hash by its first digits.
std::string Short(const std::string& value) {
  return Printable(value.size() == 64 ? value.substr(0, 12) + ".." : value);
}

}  // namespace

Oddities RequireMadeAlike(const std::vector<MadeFile>& files, const Allowed& allowed) {
  Oddities found;
  for (std::size_t b = 0; b < files.size(); ++b) {
    const MadeFile& theirs = files[b];
    if (!theirs.made_from.contains(kAlike[0])) {
      found.unknown.push_back(fmt::format("{} does not say which model made it", theirs.role));
    }
    for (const char* field : kAlike) {
      const std::string* their = ValueOf(theirs, field);
      if (their == nullptr) continue;
      for (std::size_t a = 0; a < b; ++a) {
        const MadeFile& ours = files[a];
        const std::string* our = ValueOf(ours, field);
        if (our == nullptr || *our == *their) continue;
        const std::string difference = fmt::format("were made with different {} ({} and {})", field,
                                                   Short(*our), Short(*their));
        if (!allowed.mixed) {
          throw InputError(fmt::format(
              "{}, {}: {} and {} {}; make both alike, or give --allow-mixed if this is meant",
              ours.path.string(), theirs.path.string(), ours.role, theirs.role, difference));
        }
        found.mixed.push_back(fmt::format("{} and {} {}", ours.role, theirs.role, difference));
        break;  // one difference of this field is enough for this file
      }
    }
  }
  return found;
}

void InheritMaking(const Provenance& from, Provenance& into) {
  for (const char* field : kAlike) {
    if (const auto found = from.find(field); found != from.end()) into[field] = found->second;
  }
}

}  // namespace clipsweep
