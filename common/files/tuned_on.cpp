#include "common/files/tuned_on.h"

#include <fmt/core.h>

#include "common/process/log.h"

namespace clipsweep {
namespace {

constexpr const char* kNames[] = {"none", "val", "split", "test"};
constexpr const char* kAttribute = "tuned_on";

}  // namespace

const char* TunedOnName(TunedOn tuned_on) { return kNames[static_cast<std::size_t>(tuned_on)]; }

void WriteTunedOn(H5Writer& file, TunedOn tuned_on) {
  file.Attribute(kAttribute, std::string(TunedOnName(tuned_on)));
}

TunedOn ReadTunedOn(const H5Reader& file) {
  const std::string text = file.TextAttribute(kAttribute);
  for (const TunedOn one : {TunedOn::kNone, TunedOn::kVal, TunedOn::kSplit, TunedOn::kTest}) {
    if (text == TunedOnName(one)) return one;
  }
  file.Fail(
      fmt::format("'{}' is '{}', not one of none, val, split, test", kAttribute, Printable(text)));
}

}  // namespace clipsweep
