#include <csetjmp>
#include <cstddef>
#include <cstdio>

#include <jerror.h>
#include <jpeglib.h>

#include "extract/image_decode.h"

namespace clipsweep {
namespace {

struct ErrorState {
  jpeg_error_mgr manager;
  std::jmp_buf jump;
  char message[JMSG_LENGTH_MAX] = {};
};

[[noreturn]] void OnError(j_common_ptr info) {
  auto* state = reinterpret_cast<ErrorState*>(info->err);
  state->manager.format_message(info, state->message);
  std::longjmp(state->jump, 1);
}

void OnMessage(j_common_ptr) {}
void OnWarning(j_common_ptr, int) {}  // Pillow, too, takes what libjpeg merely warns about

// A source over memory that treats the end of data as an error: Pillow refuses truncated files,
// while libjpeg's own memory source would fill the rest with grey.
boolean OnEndOfData(j_decompress_ptr info) {
  ERREXIT(info, JERR_INPUT_EOF);
  return FALSE;
}

void SkipBytes(j_decompress_ptr info, long count) {
  if (count <= 0) return;
  if (static_cast<std::size_t>(count) > info->src->bytes_in_buffer) ERREXIT(info, JERR_INPUT_EOF);
  info->src->next_input_byte += count;
  info->src->bytes_in_buffer -= static_cast<std::size_t>(count);
}

void Nothing(j_decompress_ptr) {}

int MulDiv255(int a, int b) {
  const int t = a * b + 128;
  return ((t >> 8) + t) >> 8;
}

// Adobe stores CMYK inverted; Pillow assumes so for every four-component JPEG.
void CmykRowToRgb(const std::uint8_t* cmyk, int width, std::uint8_t* rgb) {
  for (int x = 0; x < width; ++x, cmyk += 4, rgb += 3) {
    const int white = cmyk[3];  // 255 - K, K = 255 - stored
    for (int i = 0; i < 3; ++i) {
      rgb[i] = static_cast<std::uint8_t>(white - MulDiv255(255 - cmyk[i], white));
    }
  }
}

}  // namespace

// setjmp and C++ objects: everything with a destructor is made before setjmp and only used after
// it.
Image DecodeJpeg(std::string_view bytes) {
  Image image;
  std::vector<std::uint8_t> row;
  std::string failure;
  jpeg_decompress_struct info{};
  ErrorState error;
  info.err = jpeg_std_error(&error.manager);
  error.manager.error_exit = OnError;
  error.manager.output_message = OnMessage;
  error.manager.emit_message = OnWarning;
  jpeg_source_mgr source{};
  source.next_input_byte = reinterpret_cast<const JOCTET*>(bytes.data());
  source.bytes_in_buffer = bytes.size();
  source.init_source = Nothing;
  source.fill_input_buffer = OnEndOfData;
  source.skip_input_data = SkipBytes;
  source.resync_to_restart = jpeg_resync_to_restart;
  source.term_source = Nothing;

  if (setjmp(error.jump) != 0) {
    jpeg_destroy_decompress(&info);
    throw ImageError(std::string("JPEG decoder: ") + error.message);
  }
  jpeg_create_decompress(&info);
  info.src = &source;
  jpeg_read_header(&info, TRUE);
  try {
    CheckImageSize(info.image_width, info.image_height);
  } catch (const ImageError&) {
    jpeg_destroy_decompress(&info);
    throw;
  }
  const bool cmyk = info.num_components == 4;
  info.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
  jpeg_start_decompress(&info);
  image.width = static_cast<int>(info.output_width);
  image.height = static_cast<int>(info.output_height);
  const std::size_t stride = std::size_t{3} * info.output_width;
  image.rgb.resize(stride * info.output_height);
  if (cmyk) row.resize(std::size_t{4} * info.output_width);
  while (info.output_scanline < info.output_height) {
    std::uint8_t* out = image.rgb.data() + stride * info.output_scanline;
    JSAMPROW target = cmyk ? row.data() : out;
    jpeg_read_scanlines(&info, &target, 1);
    if (cmyk) CmykRowToRgb(row.data(), image.width, out);
  }
  // The picture is whole; a missing end-of-image marker is no reason to refuse it.
  jpeg_abort_decompress(&info);
  jpeg_destroy_decompress(&info);
  return image;
}

}  // namespace clipsweep
