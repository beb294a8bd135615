#include "extract/image_decode.h"

#include <fmt/core.h>

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
  throw ImageError(bytes.empty() ? "is empty" : "is neither JPEG nor PNG");
}

}  // namespace clipsweep
