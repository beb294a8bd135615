// BMP by Pillow's rules (its BmpImagePlugin.py). Read here because no library keeps to them: what a
// palette that is too short means, how 5 and 6 bits become 8, which layouts are refused.
#include <fmt/core.h>

#include <algorithm>
#include <cstring>

#include "extract/images/byte_reader.h"
#include "extract/images/image_decode.h"
#include "extract/images/pillow_modes.h"

namespace clipsweep {
namespace {

enum Compression : std::uint32_t { kRaw = 0, kRle8 = 1, kRle4 = 2, kBitFields = 3 };

struct BmpHeader {
  std::uint32_t size = 0;  // of the second header
  std::int64_t width = 0, height = 0;
  bool top_down = false;
  std::uint32_t bits = 0, compression = kRaw, colours = 0;
  std::size_t entry = 4;    // bytes of a palette entry
  std::size_t palette = 0;  // where it begins
  std::size_t pixels = 0;   // where they begin
  std::uint32_t masks[4] = {};
};

BmpHeader ReadHeader(const ByteReader& file) {
  BmpHeader header;
  header.size = file.U32(14);
  switch (header.size) {
    case 12:
      header.width = file.U16(18);
      header.height = file.U16(20);
      header.bits = file.U16(24);
      header.entry = 3;
      break;
    case 40:
    case 52:
    case 56:
    case 64:
    case 108:
    case 124:
      header.width = file.U32(18);
      header.height = file.U32(22);
      header.top_down = header.height >> 24 == 0xff;
      if (header.top_down) header.height = (std::int64_t{1} << 32) - header.height;
      header.bits = file.U16(28);
      header.compression = file.U32(30);
      header.colours = file.U32(46);
      break;
    default:
      throw ImageError(
          fmt::format("BMP decoder: its header has {} bytes, which is no known kind", header.size));
  }
  file.Bytes(14, header.size);
  header.palette = 14 + header.size;
  if (header.compression == kBitFields) {
    // A header of 40 bytes has the masks behind it, where longer ones have them inside.
    const std::size_t given = header.size >= 56 ? 4 : 3;
    for (std::size_t i = 0; i < given; ++i) header.masks[i] = file.U32(54 + 4 * i);
    if (header.size < 52) header.palette += 12;
  }
  if (header.bits > 32)
    throw ImageError(fmt::format(
        "is BMP with {} bits a pixel, which is not read here; convert it to PNG", header.bits));
  if (header.colours == 0) header.colours = header.bits < 32 ? 1u << header.bits : 0;
  header.pixels = file.U32(10);
  if (header.pixels == 14 + header.size && header.bits <= 8) {
    header.pixels += header.entry * header.colours;
  }
  return header;
}

// Where red, green and blue stand in a pixel of three or four bytes.
struct ByteOrder {
  std::size_t red, green, blue;
};

ByteOrder FindByteOrder(const BmpHeader& header) {
  constexpr ByteOrder kPlain{2, 1, 0};
  if (header.compression != kBitFields) return kPlain;
  struct Known {
    std::uint32_t bits, masks[4];
    ByteOrder order;
  };
  static constexpr Known kKnown[] = {
      {32, {0xff0000, 0xff00, 0xff, 0}, kPlain},
      {32, {0xff000000, 0xff0000, 0xff00, 0}, {3, 2, 1}},
      {32, {0xff000000, 0xff00, 0xff, 0}, {3, 1, 0}},
      {32, {0xff000000, 0xff0000, 0xff00, 0xff}, {3, 2, 1}},
      {32, {0xff, 0xff00, 0xff0000, 0xff000000}, {0, 1, 2}},
      {32, {0xff0000, 0xff00, 0xff, 0xff000000}, kPlain},
      {32, {0xff000000, 0xff00, 0xff, 0xff0000}, {3, 1, 0}},
      {32, {0, 0, 0, 0}, kPlain},
      {24, {0xff0000, 0xff00, 0xff, 0}, kPlain},
  };
  for (const Known& known : kKnown) {
    // The fourth mask counts for 32 bits only.
    const std::size_t count = header.bits == 32 ? 4 : 3;
    if (known.bits == header.bits && std::equal(known.masks, known.masks + count, header.masks)) {
      return known.order;
    }
  }
  throw ImageError("is BMP with colour masks of a kind that is not read here; convert it to PNG");
}

// 5-5-5 or 5-6-5 bits a pixel: the bits of green.
int GreenBits(const BmpHeader& header) {
  if (header.compression != kBitFields) return 5;
  const auto is = [&](std::uint32_t r, std::uint32_t g, std::uint32_t b) {
    return header.masks[0] == r && header.masks[1] == g && header.masks[2] == b;
  };
  if (is(0xf800, 0x7e0, 0x1f)) return 6;
  if (is(0x7c00, 0x3e0, 0x1f)) return 5;
  throw ImageError("is BMP with colour masks of a kind that is not read here; convert it to PNG");
}

void TrueColourRow(const BmpHeader& header, const std::uint8_t* in, std::size_t width,
                   std::uint8_t* rgb) {
  if (header.bits == 16) {
    const int green = GreenBits(header), most = (1 << green) - 1;
    for (std::size_t x = 0; x < width; ++x, in += 2, rgb += 3) {
      const int pixel = in[0] | in[1] << 8;
      rgb[0] = static_cast<std::uint8_t>((pixel >> (5 + green) & 31) * 255 / 31);
      rgb[1] = static_cast<std::uint8_t>((pixel >> 5 & most) * 255 / most);
      rgb[2] = static_cast<std::uint8_t>((pixel & 31) * 255 / 31);
    }
    return;
  }
  const ByteOrder order = FindByteOrder(header);
  for (std::size_t x = 0; x < width; ++x, in += header.bits / 8, rgb += 3) {
    rgb[0] = in[order.red];
    rgb[1] = in[order.green];
    rgb[2] = in[order.blue];
  }
}

// Of 1, 4 or 8 bits, the first pixel in the highest bits.
void UnpackRow(std::uint32_t bits, const std::uint8_t* in, std::size_t width, std::uint8_t* out) {
  const std::size_t in_byte = 8 / bits;
  const int mask = (1 << bits) - 1;
  for (std::size_t x = 0; x < width; ++x) {
    const auto shift = 8 - static_cast<int>(bits) * (1 + static_cast<int>(x % in_byte));
    out[x] = static_cast<std::uint8_t>(in[x / in_byte] >> shift & mask);
  }
}

// What indices mean. Pillow takes a palette of greys 0, 1, 2.. for grey pixels.
Palette ReadPalette(const ByteReader& file, std::string_view bytes, const BmpHeader& header) {
  if (header.colours == 0 || header.colours > 65536) {
    throw ImageError(fmt::format("BMP decoder: a palette of {} colours", header.colours));
  }
  Palette palette;
  bool grey = true;
  const std::size_t begin = std::min(header.palette, bytes.size());
  const std::size_t there =
      std::min<std::size_t>(header.colours, (bytes.size() - begin) / header.entry);
  if (there > palette.colour.size()) {
    throw ImageError(fmt::format("BMP decoder: a palette of {} colours", there));
  }
  for (std::size_t i = 0; i < there; ++i) {
    const std::string_view entry = file.Bytes(begin + header.entry * i, 3);
    const int want = header.colours == 2 && i == 1 ? 255 : static_cast<int>(i);
    for (std::size_t c = 0; c < 3; ++c) {
      const auto value = static_cast<std::uint8_t>(entry[2 - c]);
      palette.colour[i][c] = value;
      grey = grey && value == want;
    }
  }
  if (!grey || there < header.colours) return palette;
  const bool rle = header.compression != kRaw;
  if (!rle && header.bits != (header.colours <= 2 ? 1u : 8u)) {
    throw ImageError(fmt::format(
        "is BMP of {} bits a pixel with {} greys, which Pillow misreads; convert it to PNG",
        header.bits, header.colours));
  }
  palette = Palette::Greys();
  if (header.colours <= 2) {
    for (std::size_t i = 1; i < 256; ++i) palette.colour[i].fill(255);
  }
  return palette;
}

// Indices of the picture's rows from the first in the file, [height, width].
std::vector<std::uint8_t> Expand(std::string_view bytes, const BmpHeader& header) {
  const auto width = static_cast<std::size_t>(header.width);
  const std::size_t wanted = width * static_cast<std::size_t>(header.height);
  std::vector<std::uint8_t> out;
  out.reserve(wanted);
  std::size_t at = header.pixels, x = 0;
  const auto left = [&] { return at < bytes.size() ? bytes.size() - at : 0; };
  const auto byte = [&] { return static_cast<std::uint8_t>(bytes[at++]); };
  const bool four = header.compression == kRle4;
  while (out.size() < wanted && left() >= 2) {
    const std::size_t count = byte();
    const std::uint8_t value = byte();
    if (count > 0) {  // a run, cut at the end of the row
      const std::size_t run = x + count > width ? width - std::min(x, width) : count;
      for (std::size_t i = 0; i < run; ++i) {
        out.push_back(!four ? value
                            : static_cast<std::uint8_t>(i % 2 == 0 ? value >> 4 : value & 15));
      }
      x += run;
    } else if (value == 0) {  // end of row
      if (out.size() % width != 0) out.resize((out.size() / width + 1) * width, 0);
      x = 0;
    } else if (value == 1) {  // end of picture
      break;
    } else if (value == 2) {  // move
      if (left() < 2) break;
      const std::size_t right = byte(), up = byte();
      out.resize(out.size() + std::min(wanted - out.size(), right + up * width), 0);
      x = out.size() % width;
    } else {  // pixels as they are
      const std::size_t pixels = std::min<std::size_t>(wanted - out.size(), value);
      const std::size_t needed = four ? (pixels + 1) / 2 : pixels;
      const bool enough = left() >= needed;
      for (std::size_t i = 0; i < pixels && left() > 0; ++i) {
        if (!four) {
          out.push_back(byte());
        } else {
          const auto both = static_cast<std::uint8_t>(bytes[at]);
          out.push_back(static_cast<std::uint8_t>(i % 2 == 0 ? both >> 4 : both & 15));
          if (i % 2 == 1 || i + 1 == pixels) ++at;
        }
      }
      if (!enough || out.size() == wanted) break;
      x += value;
      at += at % 2;  // runs begin at even places of the file
    }
  }
  if (out.size() < wanted) throw ImageError("BMP decoder: the file is truncated");
  return out;
}

}  // namespace

Image DecodeBmp(std::string_view bytes, const DecodeLimits& limits) {
  const ByteReader file(bytes, "BMP");
  const BmpHeader header = ReadHeader(file);
  static constexpr std::uint32_t kBits[] = {1, 4, 8, 16, 24, 32};
  if (std::find(std::begin(kBits), std::end(kBits), header.bits) == std::end(kBits)) {
    throw ImageError(fmt::format(
        "is BMP with {} bits a pixel, which is not read here; convert it to PNG", header.bits));
  }
  const bool rle8 = header.compression == kRle8 && header.bits == 8;
  const bool rle4 = header.compression == kRle4 && header.bits == 4;
  const bool masks = header.compression == kBitFields && header.bits >= 16;
  if (header.compression != kRaw && !rle8 && !rle4 && !masks) {
    throw ImageError(fmt::format(
        "is BMP of {} bits a pixel with compression {}, which is not read here; convert it to PNG",
        header.bits, header.compression));
  }
  Image image = StartImage(header.width, header.height, limits);
  const auto width = static_cast<std::size_t>(header.width);
  const auto height = static_cast<std::size_t>(header.height);
  const bool indexed = header.bits <= 8;
  const Palette palette = indexed ? ReadPalette(file, bytes, header) : Palette();
  const auto row_of = [&](std::size_t y) {  // the y-th row of the file
    return image.rgb.data() + 3 * width * (header.top_down ? y : height - 1 - y);
  };
  if (rle8 || rle4) {
    const std::vector<std::uint8_t> indices = Expand(bytes, header);
    image.rgb.resize(3 * width * height);
    for (std::size_t y = 0; y < height; ++y) palette.Apply(&indices[y * width], width, row_of(y));
    return image;
  }
  // Rows begin at every fourth byte; the last needs no filling.
  const std::size_t used = (width * header.bits + 7) / 8;
  const std::size_t stride = (width * header.bits + 31) / 32 * 4;
  const std::string_view pixels = file.Bytes(header.pixels, stride * (height - 1) + used);
  image.rgb.resize(3 * width * height);
  std::vector<std::uint8_t> indices(indexed ? width : 0);
  for (std::size_t y = 0; y < height; ++y) {
    const auto* in = reinterpret_cast<const std::uint8_t*>(pixels.data()) + stride * y;
    if (indexed) {
      UnpackRow(header.bits, in, width, indices.data());
      palette.Apply(indices.data(), width, row_of(y));
    } else {
      TrueColourRow(header, in, width, row_of(y));
    }
  }
  return image;
}

}  // namespace clipsweep
