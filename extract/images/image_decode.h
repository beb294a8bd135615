// Picture bytes to 8-bit RGB, as Pillow's Image.open(..).convert("RGB") gives them: the same pixels
// or a refusal that says why. WebP, GIF and TIFF need a library at build time (docs/images.md).
#pragma once

#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace clipsweep {

// Pillow warns above the first number of pixels and refuses above the second, a "decompression
// bomb"; a file that claims more is refused before decoding.
inline constexpr std::int64_t kManyPixels = 89'478'485;
inline constexpr std::int64_t kMaxPixels = 2 * kManyPixels;
inline constexpr std::size_t kMaxImageBytes = std::size_t{256} << 20;
// A decoder takes its time for every row, however narrow.
inline constexpr std::int64_t kLongestSide = 1'000'000;
// What decoding may hold beside the picture itself.
inline constexpr std::size_t kMaxExtraBytes = std::size_t{1} << 30;

struct DecodeLimits {
  std::int64_t max_pixels = kMaxPixels;
};

// What is odd about a picture that was read all the same.
enum class NoteKind { kLarge, kGrey16Clipped, kBadChecksum };
inline constexpr std::array<const char*, 3> kNoteNames = {"large", "grey16_clipped",
                                                          "bad_checksum"};
struct ImageNote {
  NoteKind kind;
  std::string text;
};

struct Image {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> rgb = {};  // [height, width, 3]
  std::vector<ImageNote> notes = {};   // for the caller, who knows the path, to log
};

// What the decoder said about one image; the caller knows the path.
class ImageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Tells the format by the first bytes. Of several frames or pages the first counts. Colour profiles
// are ignored, as CLIP's preprocess does, and EXIF orientation as Pillow does (only TIFF's counts).
// Throws ImageError.
Image DecodeImage(std::string_view bytes, const DecodeLimits& limits = {});

Image DecodeJpeg(std::string_view bytes, const DecodeLimits& limits);
Image DecodePng(std::string_view bytes, const DecodeLimits& limits);
Image DecodeWebp(std::string_view bytes, const DecodeLimits& limits);
Image DecodeGif(std::string_view bytes, const DecodeLimits& limits);
Image DecodeBmp(std::string_view bytes, const DecodeLimits& limits);
Image DecodeTiff(std::string_view bytes, const DecodeLimits& limits);
Image DecodePnm(std::string_view bytes, const DecodeLimits& limits);

// For the decoders. Throws ImageError when width x height is zero or over the limit; notes a large
// picture. The pixels are left to the decoder.
Image StartImage(std::int64_t width, std::int64_t height, const DecodeLimits& limits);

}  // namespace clipsweep
