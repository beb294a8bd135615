#include "extract/image_decode.h"

#include <fmt/core.h>

#include <algorithm>

namespace clipsweep {

void CheckImageSize(std::int64_t width, std::int64_t height) {
  if (width <= 0 || height <= 0) throw ImageError("has no pixels");
  if (width > kMaxPixels / height) {
    throw ImageError(
        fmt::format("claims {} x {} pixels, more than the {} allowed", width, height, kMaxPixels));
  }
}

Image DecodeImage(std::string_view bytes) {
  if (bytes.size() > kMaxImageBytes) {
    throw ImageError(
        fmt::format("{} bytes, more than the {} allowed", bytes.size(), kMaxImageBytes));
  }
  if (bytes.starts_with("\xff\xd8\xff")) return DecodeJpeg(bytes);
  if (bytes.starts_with("\x89PNG\r\n\x1a\n")) return DecodePng(bytes);
  if (bytes.starts_with("RIFF") &&
      bytes.substr(std::min<std::size_t>(8, bytes.size())).starts_with("WEBP")) {
#ifdef CLIPSWEEP_HAS_WEBP
    return DecodeWebp(bytes);
#else
    throw ImageError("is WebP, which this build cannot read (no libwebp where it was built)");
#endif
  }
  throw ImageError(bytes.empty() ? "is empty" : "is none of JPEG, PNG and WebP");
}

}  // namespace clipsweep
