// JPEG, PNG and (where libwebp was there at build time) WebP bytes to 8-bit RGB, as Pillow's
// Image.open(..).convert("RGB") gives them.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace clipsweep {

// Pillow's decompression-bomb limit: a file that claims more pixels is refused before decoding.
inline constexpr std::int64_t kMaxPixels = 89'478'485;
inline constexpr std::size_t kMaxImageBytes = std::size_t{256} << 20;

struct Image {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> rgb;  // [height, width, 3]
};

// What the decoder said about one image; the caller knows the path.
class ImageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Tells the format by magic bytes. EXIF orientation and colour profiles are ignored, as CLIP's
// preprocess does. Throws ImageError.
Image DecodeImage(std::string_view bytes);

Image DecodeJpeg(std::string_view bytes);
Image DecodePng(std::string_view bytes);
Image DecodeWebp(std::string_view bytes);

// Throws ImageError when width x height is zero or over kMaxPixels.
void CheckImageSize(std::int64_t width, std::int64_t height);

}  // namespace clipsweep
