#include <csetjmp>
#include <cstddef>
#include <cstdio>

#include <jerror.h>
#include <jpeglib.h>

#include <algorithm>

#include <fmt/core.h>

#include "extract/images/image_decode.h"
#include "extract/images/pillow_modes.h"

namespace clipsweep {
namespace {

struct JpegErrors {
  jpeg_error_mgr manager;
  std::jmp_buf jump;
  char message[JMSG_LENGTH_MAX] = {};
};

[[noreturn]] void OnError(j_common_ptr info) {
  auto* state = reinterpret_cast<JpegErrors*>(info->err);
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

// Adobe stores CMYK inverted; Pillow assumes so for every four-component JPEG.
void CmykRowToRgb(const std::uint8_t* cmyk, int width, std::uint8_t* rgb) {
  for (int x = 0; x < width; ++x, cmyk += 4, rgb += 3) {
    const int white = cmyk[3];  // 255 - K, K = 255 - stored
    for (int i = 0; i < 3; ++i) {
      rgb[i] = static_cast<std::uint8_t>(white - MulDiv255(255 - cmyk[i], white));
    }
  }
}

// A progressive file of a megabyte can ask for thousands of passes over a large picture. Encoders
// write about ten (at most 64). A picture may have kMostScans passes, and all its passes together
// may visit kMostVisits blocks of 8 x 8: 500 passes up to 17 million pixels of one component, 16
// over the largest picture with three.
constexpr int kMostScans = 500;
constexpr std::int64_t kMostVisits = std::int64_t{1} << 27;

struct ScanLimit {
  jpeg_progress_mgr manager;
  int most = kMostScans;
};

// Blocks of all components, which a file of several passes keeps in memory.
std::int64_t Blocks(const jpeg_decompress_struct& info) {
  std::int64_t blocks = 0;
  for (int i = 0; i < info.num_components; ++i) {
    blocks += std::int64_t{info.comp_info[i].width_in_blocks} * info.comp_info[i].height_in_blocks;
  }
  return blocks;
}

// Where a progressive file lacks scans, libjpeg smooths the first coefficients, each version in its
// own way. At these places of a block.
bool IsSmoothed(const jpeg_decompress_struct& info) {
  if (info.progressive_mode == FALSE || info.coef_bits == nullptr) return false;
  for (int i = 0; i < info.num_components; ++i) {
    for (const int at : {1, 2, 3, 8, 9, 10, 16, 17, 24}) {
      if (info.coef_bits[i][at] != 0) return true;
    }
  }
  return false;
}

void OnProgress(j_common_ptr common) {
  const auto* limit = reinterpret_cast<const ScanLimit*>(common->progress);
  const auto* info = reinterpret_cast<j_decompress_ptr>(common);
  if (info->input_scan_number <= limit->most) return;
  auto* state = reinterpret_cast<JpegErrors*>(common->err);
  std::snprintf(state->message, sizeof state->message,
                "more than %d scans over a picture of this size, which would take too long",
                limit->most);
  std::longjmp(state->jump, 1);
}

}  // namespace

// setjmp and C++ objects: everything with a destructor is made before setjmp and only used after
// it.
Image DecodeJpeg(std::string_view bytes, const DecodeLimits& limits) {
  Image image;
  std::vector<std::uint8_t> row;
  jpeg_decompress_struct info{};
  ScanLimit scans;
  JpegErrors error;
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
    image = StartImage(info.image_width, info.image_height, limits);
    if (jpeg_has_multiple_scans(&info)) {
      const std::int64_t blocks = Blocks(info);
      if (blocks * std::int64_t{sizeof(JBLOCK)} > std::int64_t{kMaxExtraBytes}) {
        throw ImageError(fmt::format(
            "is a progressive JPEG that takes {} bytes to decode, more than the {} allowed",
            blocks * std::int64_t{sizeof(JBLOCK)}, kMaxExtraBytes));
      }
      scans.most = static_cast<int>(std::clamp<std::int64_t>(kMostVisits / blocks, 10, kMostScans));
      scans.manager.progress_monitor = OnProgress;
      info.progress = &scans.manager;
    }
  } catch (const ImageError&) {
    jpeg_destroy_decompress(&info);
    throw;
  }
  const bool cmyk = info.num_components == 4;
  info.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
  jpeg_start_decompress(&info);
  if (IsSmoothed(info)) {
    jpeg_destroy_decompress(&info);
    throw ImageError(
        "JPEG decoder: a progressive picture that lacks scans, for which decoders guess");
  }
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
