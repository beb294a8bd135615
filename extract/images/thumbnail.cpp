#include "extract/images/thumbnail.h"

#include <openssl/evp.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include <jpeglib.h>

#include "extract/images/preprocess.h"

namespace clipsweep {
namespace {

// The only error that writing valid rows to memory can end in is having no memory.
[[noreturn]] void OnError(j_common_ptr) { throw std::bad_alloc(); }

std::string EncodeJpeg(const Image& image) {
  jpeg_compress_struct info{};
  jpeg_error_mgr error;
  info.err = jpeg_std_error(&error);
  error.error_exit = OnError;
  jpeg_create_compress(&info);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &bytes, &size);
  info.image_width = static_cast<JDIMENSION>(image.width);
  info.image_height = static_cast<JDIMENSION>(image.height);
  info.input_components = 3;
  info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 85, TRUE);
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    const std::size_t stride = std::size_t{3} * info.image_width;
    JSAMPROW row = const_cast<JSAMPROW>(image.rgb.data() + stride * info.next_scanline);
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  std::string jpeg(reinterpret_cast<const char*>(bytes), size);
  std::free(bytes);
  return jpeg;
}

}  // namespace

std::string ThumbnailUrl(const Image& image, int side) {
  const std::string jpeg = EncodeJpeg(ResizeAndCrop(image, side));
  std::string base64((jpeg.size() + 2) / 3 * 4 + 1, '\0');  // OpenSSL ends it with a zero
  const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(base64.data()),
                                     reinterpret_cast<const unsigned char*>(jpeg.data()),
                                     static_cast<int>(jpeg.size()));
  base64.resize(static_cast<std::size_t>(length));
  return "data:image/jpeg;base64," + base64;
}

}  // namespace clipsweep
