#include <webp/decode.h>
#include <webp/demux.h>

#include <memory>

#include "extract/image_decode.h"

namespace clipsweep {

// As Pillow: the first frame on its canvas, alpha dropped.
Image DecodeWebp(std::string_view bytes) {
  const WebPData data{reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(data.bytes, data.size, &features) != VP8_STATUS_OK) {
    throw ImageError("WebP decoder: its header is damaged");
  }
  CheckImageSize(features.width, features.height);
  WebPAnimDecoderOptions options;
  WebPAnimDecoderOptionsInit(&options);
  options.color_mode = MODE_RGBA;
  const std::unique_ptr<WebPAnimDecoder, decltype(&WebPAnimDecoderDelete)> decoder(
      WebPAnimDecoderNew(&data, &options), WebPAnimDecoderDelete);
  WebPAnimInfo info;
  std::uint8_t* rgba = nullptr;
  int time = 0;
  if (decoder == nullptr || WebPAnimDecoderGetInfo(decoder.get(), &info) == 0 ||
      WebPAnimDecoderGetNext(decoder.get(), &rgba, &time) == 0) {
    throw ImageError("WebP decoder: the file is truncated or damaged");
  }
  CheckImageSize(info.canvas_width, info.canvas_height);
  Image image;
  image.width = static_cast<int>(info.canvas_width);
  image.height = static_cast<int>(info.canvas_height);
  const std::size_t pixels = std::size_t{info.canvas_width} * info.canvas_height;
  image.rgb.resize(3 * pixels);
  for (std::size_t i = 0; i < pixels; ++i) {
    for (std::size_t c = 0; c < 3; ++c) image.rgb[3 * i + c] = rgba[4 * i + c];
  }
  return image;
}

}  // namespace clipsweep
