// The first page of a TIFF, in the layouts of tiff_layout.h. Others are refused by name.
#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "extract/images/tiff_layout.h"

namespace clipsweep {
namespace {

constexpr std::size_t kMostTileBytes = std::size_t{256} << 20;

std::uint8_t Sample(const std::uint8_t* in, std::size_t at, std::uint16_t bits) {
  if (bits == 8) return in[at];
  if (bits == 16) {  // of the machine's byte order; the high half, as Pillow takes it
    std::uint16_t value;
    std::memcpy(&value, in + 2 * at, 2);
    return static_cast<std::uint8_t>(value >> 8);
  }
  const std::size_t in_byte = 8u / bits;
  const std::size_t shift = 8 - bits * (1 + at % in_byte);
  return static_cast<std::uint8_t>(in[at / in_byte] >> shift & ((1 << bits) - 1));
}

// One colour sample freed from its alpha.
std::uint8_t Divide(int colour, int alpha) {
  if (alpha == 0) return 0;
  return static_cast<std::uint8_t>(std::min(colour * 255 / alpha, 255));
}

// `pixels` pixels whose samples stand side by side. Returns whether grey was clipped.
bool ConvertRow(const TiffLayout& layout, const std::uint8_t* in, std::size_t pixels,
                std::uint8_t* rgb) {
  const std::size_t step = layout.samples;
  const std::uint16_t bits = layout.bits;
  if (layout.clips) {
    const std::uint16_t one = 1;
    std::uint8_t low = 0;
    std::memcpy(&low, &one, 1);
    return ClipGrey16(in, /*big_endian=*/low == 0, pixels, rgb);
  }
  switch (layout.photometric) {
    case PHOTOMETRIC_MINISWHITE:
    case PHOTOMETRIC_MINISBLACK: {
      const int scale = 255 / ((1 << bits) - 1);
      const int flip = layout.photometric == PHOTOMETRIC_MINISWHITE ? 255 : 0;
      for (std::size_t x = 0; x < pixels; ++x) {
        std::memset(rgb + 3 * x, Sample(in, step * x, bits) * scale ^ flip, 3);
      }
      break;
    }
    case PHOTOMETRIC_PALETTE:
      for (std::size_t x = 0; x < pixels; ++x) {
        const std::uint8_t index = Sample(in, step * x, bits);
        layout.palette.Apply(&index, 1, rgb + 3 * x);
      }
      break;
    case PHOTOMETRIC_SEPARATED:
      for (std::size_t x = 0; x < pixels; ++x) {
        std::uint8_t inks[4];
        for (std::size_t c = 0; c < 4; ++c) inks[c] = Sample(in, step * x + c, bits);
        CmykToRgb(inks, 1, rgb + 3 * x);
      }
      break;
    default:  // RGB
      for (std::size_t x = 0; x < pixels; ++x) {
        for (std::size_t c = 0; c < 3; ++c) {
          const std::uint8_t value = Sample(in, step * x + c, bits);
          rgb[3 * x + c] =
              layout.premultiplied ? Divide(value, Sample(in, step * x + 3, bits)) : value;
        }
      }
  }
  return false;
}

// Reads strip after strip or tile after tile. In a block all samples of a pixel stand side by side,
// also where the file keeps them in planes.
class BlockReader {
 public:
  BlockReader(const TiffFile& file, const TiffLayout& layout, Image& image)
      : file_(file), layout_(layout), image_(image) {
    planes_ = layout.planar == PLANARCONFIG_SEPARATE ? layout.samples : std::uint16_t{1};
    if (layout.tiled) {
      width_ = file.Field<std::uint32_t>(TIFFTAG_TILEWIDTH, 0);
      height_ = file.Field<std::uint32_t>(TIFFTAG_TILELENGTH, 0);
    } else {
      width_ = layout.width;
      height_ =
          std::min(file.Field<std::uint32_t>(TIFFTAG_ROWSPERSTRIP, layout.height), layout.height);
    }
    if (width_ == 0 || height_ == 0) throw ImageError("TIFF decoder: a tile of no size");
    const std::uint64_t samples = layout.samples / planes_;
    plane_row_ = (width_ * samples * layout.bits + 7) / 8;
    // libtiff's own count must be this; with subsampled colours, say, it is not.
    const auto size = static_cast<std::uint64_t>(layout.tiled ? TIFFTileSize(file.get())
                                                              : TIFFStripSize(file.get()));
    if (plane_row_ > kMaxExtraBytes / height_ / planes_ ||
        (layout.tiled && size > kMostTileBytes)) {
      throw ImageError(
          fmt::format("TIFF decoder: a tile or strip of {} x {} pixels takes too much "
                      "memory; save it with smaller ones",
                      width_, height_));
    }
    if (size != plane_row_ * height_) file_.Fail();
    block_.resize(plane_row_ * planes_ * height_);
    plane_.resize(planes_ > 1 ? plane_row_ * height_ : 0);
  }

  void Read() {
    for (std::uint32_t y = 0; y < layout_.height; y += std::min(height_, layout_.height - y)) {
      for (std::uint32_t x = 0; x < layout_.width; x += std::min(width_, layout_.width - x)) {
        const std::size_t rows = std::min(height_, layout_.height - y);
        ReadBlock(x, y, rows);
        const std::size_t pixels = std::min(width_, layout_.width - x);
        for (std::size_t row = 0; row < rows; ++row) {
          std::uint8_t* rgb = image_.rgb.data() + 3 * ((y + row) * layout_.width + x);
          clipped_ |= ConvertRow(layout_, block_.data() + plane_row_ * planes_ * row, pixels, rgb);
        }
      }
    }
    if (clipped_) image_.notes.push_back(ClippedNote());
  }

 private:
  void ReadBlock(std::uint32_t x, std::uint32_t y, std::size_t rows) {
    for (std::uint16_t p = 0; p < planes_; ++p) {
      std::vector<std::uint8_t>& target = planes_ > 1 ? plane_ : block_;
      const auto size = static_cast<tmsize_t>(plane_row_ * (layout_.tiled ? height_ : rows));
      const std::uint32_t number = layout_.tiled ? TIFFComputeTile(file_.get(), x, y, 0, p)
                                                 : TIFFComputeStrip(file_.get(), y, p);
      if (TIFFGetStrileOffset(file_.get(), number) == 0 ||
          TIFFGetStrileByteCount(file_.get(), number) == 0) {
        throw ImageError("TIFF decoder: a strip or tile is missing");
      }
      const tmsize_t got = layout_.tiled
                               ? TIFFReadEncodedTile(file_.get(), number, target.data(), size)
                               : TIFFReadEncodedStrip(file_.get(), number, target.data(), size);
      if (got != size) file_.Fail();
      if (planes_ == 1) continue;
      const std::size_t bytes = layout_.bits / 8, step = bytes * planes_;
      for (std::size_t i = 0; i < plane_row_ / bytes * rows; ++i) {
        std::memcpy(block_.data() + step * i + bytes * p, plane_.data() + bytes * i, bytes);
      }
    }
  }

  const TiffFile& file_;
  const TiffLayout& layout_;
  Image& image_;
  std::uint16_t planes_ = 1;
  std::uint32_t width_ = 0, height_ = 0;  // of a block
  std::size_t plane_row_ = 0;             // bytes
  std::vector<std::uint8_t> block_, plane_;
  bool clipped_ = false;
};

// As Pillow turns a TIFF (and no other kind): 2 to 8 name where the first row and column are.
void Turn(std::uint16_t orientation, Image& image) {
  if (orientation < 2 || orientation > 8) return;
  const bool swaps = orientation >= 5;
  const bool right_to_left =
      orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool bottom_up =
      orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const auto width = static_cast<std::size_t>(image.width);
  const auto height = static_cast<std::size_t>(image.height);
  const std::size_t new_width = swaps ? height : width, new_height = swaps ? width : height;
  std::vector<std::uint8_t> turned(image.rgb.size());
  std::uint8_t* out = turned.data();
  for (std::size_t y = 0; y < new_height; ++y) {
    for (std::size_t x = 0; x < new_width; ++x, out += 3) {
      std::size_t column = swaps ? y : x, row = swaps ? x : y;
      if (right_to_left) column = width - 1 - column;
      if (bottom_up) row = height - 1 - row;
      std::memcpy(out, image.rgb.data() + 3 * (row * width + column), 3);
    }
  }
  image.rgb = std::move(turned);
  image.width = static_cast<int>(new_width);
  image.height = static_cast<int>(new_height);
}

}  // namespace

Image DecodeTiff(std::string_view bytes, const DecodeLimits& limits) {
  const TiffFile file(bytes);
  const TiffLayout layout = ReadTiffLayout(file);
  Image image = StartImage(layout.width, layout.height, limits);
  BlockReader blocks(file, layout, image);
  image.rgb.resize(std::size_t{3} * layout.width * layout.height);
  blocks.Read();
  Turn(file.Field<std::uint16_t>(TIFFTAG_ORIENTATION, ORIENTATION_TOPLEFT), image);
  return image;
}

}  // namespace clipsweep
