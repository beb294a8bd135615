#include "extract/images/image_decode.h"

#include <fmt/core.h>

#include "common/data/image_kind.h"

namespace clipsweep {
namespace {

struct Decoder {
  std::string_view kind;
  Image (*decode)(std::string_view, const DecodeLimits&);
  const char* library;  // what a build without it lacks
};

#ifndef CLIPSWEEP_HAS_WEBP
constexpr auto DecodeWebp = nullptr;
#endif
#ifndef CLIPSWEEP_HAS_GIF
constexpr auto DecodeGif = nullptr;
#endif
#ifndef CLIPSWEEP_HAS_TIFF
constexpr auto DecodeTiff = nullptr;
#endif

constexpr Decoder kDecoders[] = {
    {"JPEG", DecodeJpeg, "libjpeg"}, {"PNG", DecodePng, "libpng"}, {"WebP", DecodeWebp, "libwebp"},
    {"GIF", DecodeGif, "giflib"},    {"BMP", DecodeBmp, ""},       {"TIFF", DecodeTiff, "libtiff"},
    {"PNM", DecodePnm, ""},
};

}  // namespace

Image StartImage(std::int64_t width, std::int64_t height, const DecodeLimits& limits) {
  if (width <= 0 || height <= 0) throw ImageError("has no pixels");
  if (width > limits.max_pixels / height) {
    throw ImageError(
        fmt::format("claims {} x {} pixels, more than the {} allowed; if that is no mistake, raise "
                    "--max-pixels",
                    width, height, limits.max_pixels));
  }
  if (width > kLongestSide || height > kLongestSide) {
    throw ImageError(fmt::format("claims {} x {} pixels; no side may be longer than {}", width,
                                 height, kLongestSide));
  }
  Image image;
  image.width = static_cast<int>(width);
  image.height = static_cast<int>(height);
  if (width * height > kManyPixels) {
    image.notes.push_back(
        {NoteKind::kLarge, fmt::format("has {} x {} pixels; above {} Pillow, too, warns", width,
                                       height, kManyPixels)});
  }
  return image;
}

Image DecodeImage(std::string_view bytes, const DecodeLimits& limits) {
  if (bytes.size() > kMaxImageBytes) {
    throw ImageError(
        fmt::format("{} bytes, more than the {} allowed", bytes.size(), kMaxImageBytes));
  }
  if (bytes.empty()) throw ImageError("is empty");
  const char* kind = ImageKind(bytes);
  if (kind == nullptr) {
    const char* other = OtherKind(bytes);
    throw ImageError(other == nullptr ? std::string("is not one of JPEG, PNG, WebP, GIF, BMP, TIFF "
                                                    "and PNM")
                                      : fmt::format("is {}, which is not read", other));
  }
  for (const Decoder& decoder : kDecoders) {
    if (decoder.kind != kind) continue;
    if (decoder.decode != nullptr) return decoder.decode(bytes, limits);
    throw ImageError(fmt::format("is {}, which this build cannot read (no {} where it was built)",
                                 kind, decoder.library));
  }
  throw ImageError(fmt::format("is {}, which has no decoder", kind));
}

}  // namespace clipsweep
