#include "extract/pipeline/bad_images.h"

#include <fmt/core.h>

#include "common/process/error.h"
#include "common/process/log.h"

namespace clipsweep {

void BadImages::Add(std::int64_t images) { Hold(images, ""); }

void BadImages::Add(const std::vector<SkippedImage>& images) {
  if (images.empty()) return;
  const SkippedImage& last = images.back();
  Hold(static_cast<std::int64_t>(images.size()),
       fmt::format("; the last: {}: {}", Printable((root_ / last.path).string()),
                   Printable(last.reason)));
}

void BadImages::Hold(std::int64_t images, const std::string& last) {
  count_ += images;
  if (most_ < 0 || count_ <= most_) return;
  throw InputError(
      fmt::format("--max-bad {}: {} images could not be read{}; mend them or raise the limit",
                  most_, count_, last));
}

}  // namespace clipsweep
