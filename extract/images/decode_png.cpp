#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstring>
#include <memory>

#include "extract/images/image_decode.h"
#include "extract/images/pillow_modes.h"
#include "extract/images/png_chunks.h"

namespace clipsweep {
namespace {

// Hands the parts out one after another.
struct Source {
  const std::vector<std::string_view>& parts;
  std::size_t part = 0;
  std::size_t at = 0;

  const char* next() const {
    return part < parts.size() ? parts[part].data() + at
                               : parts.back().data() + parts.back().size();
  }
};

struct PngErrors {
  char message[256] = {};
};

constexpr const char* kTruncated = "file is truncated";

void ReadBytes(png_structp png, png_bytep out, png_size_t count) {
  auto* source = static_cast<Source*>(png_get_io_ptr(png));
  while (count > 0) {
    if (source->part == source->parts.size()) png_error(png, kTruncated);
    const std::string_view part = source->parts[source->part];
    const std::size_t taken = std::min(count, part.size() - source->at);
    std::memcpy(out, part.data() + source->at, taken);
    out += taken;
    count -= taken;
    source->at += taken;
    if (source->at == part.size()) {
      ++source->part;
      source->at = 0;
    }
  }
}

[[noreturn]] void OnError(png_structp png, png_const_charp message) {
  auto* state = static_cast<PngErrors*>(png_get_error_ptr(png));
  std::strncpy(state->message, message, sizeof state->message - 1);
  png_longjmp(png, 1);
}

void OnWarning(png_structp, png_const_charp) {}

// How libpng gives the rows: as palette indices, grey of 8 or 16 bits, or RGB.
struct Layout {
  png_uint_32 width = 0, height = 0;
  int depth = 0, color = 0;

  bool indexed() const { return color == PNG_COLOR_TYPE_PALETTE; }
  bool grey() const { return color == PNG_COLOR_TYPE_GRAY && depth <= 8; }
  bool grey16() const { return color == PNG_COLOR_TYPE_GRAY && depth == 16; }
  std::size_t pixels() const { return std::size_t{width} * height; }
  std::size_t sample() const { return indexed() || grey() ? 1 : grey16() ? 2 : 3; }
  // Samples fewer than three bytes wide are read into the end of the picture and widened in place.
  std::uint8_t* Target(Image& image) const { return image.rgb.data() + (3 - sample()) * pixels(); }
};

// Returns how often libpng goes over the rows.
int AskFor(png_structp png, const Layout& layout) {
  if (layout.indexed()) {
    png_set_packing(png);  // one byte an index
  } else if (layout.grey()) {
    if (layout.depth < 8) png_set_expand_gray_1_2_4_to_8(png);
  } else if (!layout.grey16()) {
    if (layout.depth == 16) png_set_strip_16(png);
    if ((layout.color & PNG_COLOR_MASK_COLOR) == 0) png_set_gray_to_rgb(png);
    png_set_strip_alpha(png);
  }
  return png_set_interlace_handling(png);
}

Palette ReadPalette(png_structp png, png_infop info) {
  Palette palette;
  png_colorp entries = nullptr;
  int count = 0;
  png_get_PLTE(png, info, &entries, &count);
  for (int i = 0; i < count; ++i) {
    palette.colour[static_cast<std::size_t>(i)] = {entries[i].red, entries[i].green,
                                                   entries[i].blue};
  }
  return palette;
}

// All rows are there; only the end of the compressed data is not, which Pillow does not miss.
bool OnlyEndIsMissing(png_structp png, png_infop info, const char* message) {
  if (std::strcmp(message, kTruncated) != 0 && std::strcmp(message, "Not enough image data") != 0) {
    return false;
  }
  constexpr png_byte kPasses = 7;
  return png_get_interlace_type(png, info) == PNG_INTERLACE_NONE
             ? png_get_current_row_number(png) == png_get_image_height(png, info)
             : png_get_current_pass_number(png) == kPasses;
}

// What a jump out of libpng must leave as it is, so not on the stack.
struct Work {
  Source source;
  PngErrors error = {};
  Layout layout = {};
  Palette palette = {};
  Image image = {};
};

void ReadPicture(png_structp png, png_infop info, const PngChunks& chunks,
                 const DecodeLimits& limits, Work& work) {
  png_set_read_fn(png, &work.source, ReadBytes);
  png_set_crc_action(png, PNG_CRC_QUIET_USE, PNG_CRC_QUIET_USE);  // ReadPngChunks has looked
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  png_read_info(png, info);
  Layout& layout = work.layout;
  layout = {png_get_image_width(png, info), png_get_image_height(png, info),
            png_get_bit_depth(png, info), png_get_color_type(png, info)};
  work.image = StartImage(layout.width, layout.height, limits);
  if (layout.indexed()) work.palette = ReadPalette(png, info);
  const int passes = AskFor(png, layout);
  png_read_update_info(png, info);
  work.image.rgb.resize(3 * layout.pixels());
  const std::size_t stride = layout.sample() * layout.width;
  if (png_get_rowbytes(png, info) != stride) png_error(png, "unexpected row size");
  for (int pass = 0; pass < passes; ++pass) {
    std::uint8_t* row = layout.Target(work.image);
    for (png_uint_32 y = 0; y < layout.height; ++y, row += stride) png_read_row(png, row, nullptr);
  }
  // As Pillow: a chunk that is cut off may give the picture its last rows, but not follow it.
  if (!chunks.cut_off.empty() && work.source.next() <= chunks.cut_off.data()) {
    png_error(png, "a chunk behind the picture is truncated");
  }
}

}  // namespace

Image DecodePng(std::string_view bytes, const DecodeLimits& limits) {
  const PngChunks chunks = ReadPngChunks(bytes);
  const auto work = std::make_unique<Work>(Work{{chunks.parts}});
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &work->error, OnError, OnWarning);
  png_infop info = png == nullptr ? nullptr : png_create_info_struct(png);
  if (info == nullptr) {
    png_destroy_read_struct(&png, nullptr, nullptr);
    throw ImageError("PNG decoder: out of memory");
  }
  const std::string failed = "PNG decoder: ";
  if (setjmp(png_jmpbuf(png)) == 0) {
    try {
      ReadPicture(png, info, chunks, limits, *work);
    } catch (...) {
      png_destroy_read_struct(&png, &info, nullptr);
      throw;
    }
  } else if (work->image.rgb.empty() || !OnlyEndIsMissing(png, info, work->error.message)) {
    png_destroy_read_struct(&png, &info, nullptr);
    throw ImageError(failed + work->error.message);
  }
  png_destroy_read_struct(&png, &info, nullptr);
  Image& image = work->image;
  if (chunks.bad_checksum) {
    image.notes.push_back({NoteKind::kBadChecksum,
                           "the checksum of its pixel data is wrong; read as Pillow reads it"});
  }
  const Layout& layout = work->layout;
  const std::uint8_t* samples = layout.Target(image);
  std::uint8_t* rgb = image.rgb.data();
  if (layout.indexed()) work->palette.Apply(samples, layout.pixels(), rgb);
  if (layout.grey()) GreyToRgb(samples, layout.pixels(), rgb);
  if (layout.grey16() && ClipGrey16(samples, /*big_endian=*/true, layout.pixels(), rgb)) {
    image.notes.push_back(ClippedNote());
  }
  return std::move(image);
}

}  // namespace clipsweep
