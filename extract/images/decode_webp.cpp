#include <webp/decode.h>
#include <webp/demux.h>

#include <memory>

#include "extract/images/image_decode.h"

namespace clipsweep {

// As Pillow: the first frame on its canvas, alpha dropped. What the frame does not cover is black.
Image DecodeWebp(std::string_view bytes, const DecodeLimits& limits) {
  const WebPData data{reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
  const std::unique_ptr<WebPDemuxer, decltype(&WebPDemuxDelete)> demuxer(WebPDemux(&data),
                                                                         WebPDemuxDelete);
  WebPIterator first{};
  if (demuxer == nullptr || WebPDemuxGetFrame(demuxer.get(), 1, &first) == 0) {
    throw ImageError("WebP decoder: the file is truncated or damaged");
  }
  const std::unique_ptr<WebPIterator, decltype(&WebPDemuxReleaseIterator)> release(
      &first, WebPDemuxReleaseIterator);
  const std::int64_t width = WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_WIDTH);
  const std::int64_t height = WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_HEIGHT);
  Image image = StartImage(width, height, limits);
  int frame_width = 0, frame_height = 0;
  if (WebPGetInfo(first.fragment.bytes, first.fragment.size, &frame_width, &frame_height) == 0 ||
      frame_width != first.width || frame_height != first.height || first.x_offset < 0 ||
      first.y_offset < 0 || first.x_offset + std::int64_t{first.width} > width ||
      first.y_offset + std::int64_t{first.height} > height) {
    throw ImageError("WebP decoder: the first frame does not fit the picture");
  }
  const std::size_t stride = 3 * static_cast<std::size_t>(width);
  image.rgb.resize(stride * static_cast<std::size_t>(height));
  const std::size_t begin = stride * static_cast<std::size_t>(first.y_offset) +
                            3 * static_cast<std::size_t>(first.x_offset);
  WebPDecoderConfig config;
  if (WebPInitDecoderConfig(&config) == 0) throw ImageError("WebP decoder: out of memory");
  config.output.colorspace = MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = image.rgb.data() + begin;
  config.output.u.RGBA.stride = static_cast<int>(stride);
  config.output.u.RGBA.size = image.rgb.size() - begin;
  if (WebPDecode(first.fragment.bytes, first.fragment.size, &config) != VP8_STATUS_OK) {
    throw ImageError("WebP decoder: the file is truncated or damaged");
  }
  return image;
}

}  // namespace clipsweep
