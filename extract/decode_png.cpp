#include <png.h>

#include <csetjmp>
#include <cstring>

#include "extract/image_decode.h"

namespace clipsweep {
namespace {

struct Source {
  std::string_view bytes;
  std::size_t at = 0;
};

struct ErrorState {
  char message[256] = {};
};

void ReadBytes(png_structp png, png_bytep out, png_size_t count) {
  auto* source = static_cast<Source*>(png_get_io_ptr(png));
  if (count > source->bytes.size() - source->at) png_error(png, "file is truncated");
  std::memcpy(out, source->bytes.data() + source->at, count);
  source->at += count;
}

[[noreturn]] void OnError(png_structp png, png_const_charp message) {
  auto* state = static_cast<ErrorState*>(png_get_error_ptr(png));
  std::strncpy(state->message, message, sizeof state->message - 1);
  png_longjmp(png, 1);
}

// Pillow refuses a file whose text or colour profile unpacks to more than a megabyte (a
// decompression bomb); libpng stops at the same limit, warns of a "truncated" chunk and would go
// on.
void OnWarning(png_structp png, png_const_charp message) {
  if (std::strstr(message, ": truncated") != nullptr) {
    png_error(png, "a text or profile chunk unpacks to too much, or is cut off");
  }
}

constexpr png_alloc_size_t kMaxChunkBytes = 1 << 20;  // of text and profiles; Pillow's limit

// Pillow's 16-bit grey is a mode of its own, which convert("RGB") clips to 255 instead of scaling.
void ClipGrey16(const std::vector<std::uint8_t>& raw, Image& image) {
  for (std::size_t i = 0; i < image.rgb.size() / 3; ++i) {
    const int value = raw[2 * i] << 8 | raw[2 * i + 1];
    std::memset(image.rgb.data() + 3 * i, value > 255 ? 255 : value, 3);
  }
}

}  // namespace

// setjmp and C++ objects: everything with a destructor is made before setjmp and only used after
// it.
Image DecodePng(std::string_view bytes) {
  Image image;
  std::vector<std::uint8_t> raw;
  std::vector<png_bytep> rows;
  Source source{bytes};
  ErrorState error;
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &error, OnError, OnWarning);
  png_infop info = png == nullptr ? nullptr : png_create_info_struct(png);
  if (info == nullptr) {
    png_destroy_read_struct(&png, nullptr, nullptr);
    throw ImageError("PNG decoder: out of memory");
  }
  if (setjmp(png_jmpbuf(png)) != 0) {
    png_destroy_read_struct(&png, &info, nullptr);
    throw ImageError(std::string("PNG decoder: ") + error.message);
  }
  png_set_read_fn(png, &source, ReadBytes);
  png_set_chunk_malloc_max(png, kMaxChunkBytes);
  png_set_user_limits(png, static_cast<png_uint_32>(kMaxPixels),
                      static_cast<png_uint_32>(kMaxPixels));
  png_read_info(png, info);
  const png_uint_32 width = png_get_image_width(png, info),
                    height = png_get_image_height(png, info);
  const int depth = png_get_bit_depth(png, info), color = png_get_color_type(png, info);
  try {
    CheckImageSize(width, height);
  } catch (const ImageError&) {
    png_destroy_read_struct(&png, &info, nullptr);
    throw;
  }
  const bool grey16 = depth == 16 && color == PNG_COLOR_TYPE_GRAY;
  if (!grey16) {
    if (depth == 16) png_set_strip_16(png);
    if (color == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
    if (color == PNG_COLOR_TYPE_GRAY && depth < 8) png_set_expand_gray_1_2_4_to_8(png);
    if ((color & PNG_COLOR_MASK_COLOR) == 0) png_set_gray_to_rgb(png);
    png_set_strip_alpha(png);
  }
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  image.width = static_cast<int>(width);
  image.height = static_cast<int>(height);
  image.rgb.resize(std::size_t{3} * width * height);
  if (grey16) raw.resize(std::size_t{2} * width * height);
  std::vector<std::uint8_t>& target = grey16 ? raw : image.rgb;
  const std::size_t stride = target.size() / height;
  if (png_get_rowbytes(png, info) != stride) png_error(png, "unexpected row size");
  rows.resize(height);
  for (png_uint_32 y = 0; y < height; ++y) rows[y] = target.data() + stride * y;
  png_read_image(png, rows.data());
  png_read_end(png, nullptr);
  png_destroy_read_struct(&png, &info, nullptr);
  if (grey16) ClipGrey16(raw, image);
  return image;
}

}  // namespace clipsweep
