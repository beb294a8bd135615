#include <gif_lib.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include <fmt/core.h>

#include "extract/images/image_decode.h"
#include "extract/images/pillow_modes.h"

namespace clipsweep {
namespace {

struct Source {
  std::string_view bytes;
  std::size_t at = 0;
};

// A file may end right behind the last pixel, without the zero that ends its blocks: reading one
// byte there gives that zero. Anything longer that is cut off is an error.
int ReadBytes(GifFileType* gif, GifByteType* out, int count) {
  auto* source = static_cast<Source*>(gif->UserData);
  const std::size_t left = source->bytes.size() - source->at;
  if (left == 0 && count == 1) {
    *out = 0;
    return 1;
  }
  const std::size_t taken = std::min(left, static_cast<std::size_t>(count));
  std::memcpy(out, source->bytes.data() + source->at, taken);
  source->at += taken;
  return static_cast<int>(taken);
}

struct Close {
  void operator()(GifFileType* gif) const { DGifCloseFile(gif, nullptr); }
};
using Gif = std::unique_ptr<GifFileType, Close>;

[[noreturn]] void Fail(int code) {
  const char* why = GifErrorString(code);
  throw ImageError(fmt::format("GIF decoder: {}", why == nullptr ? "the file is damaged" : why));
}

void Check(const Gif& gif, int result) {
  if (result == GIF_ERROR) Fail(gif->Error);
}

// Passes over what stands before the first frame. Returns the index that is transparent, which
// fills the canvas around the frame, or 0.
std::uint8_t FindFirstFrame(const Gif& gif, const Source& source) {
  std::uint8_t background = 0;
  while (true) {
    GifRecordType type;
    if (DGifGetRecordType(gif.get(), &type) == GIF_ERROR) {
      // Pillow passes over bytes that begin no block.
      if (gif->Error == D_GIF_ERR_WRONG_RECORD && source.at < source.bytes.size()) continue;
      Fail(gif->Error);
    }
    if (type == IMAGE_DESC_RECORD_TYPE) break;
    if (type != EXTENSION_RECORD_TYPE) throw ImageError("GIF decoder: has no picture");
    int code = 0;
    GifByteType* block = nullptr;  // its length comes first
    Check(gif, DGifGetExtension(gif.get(), &code, &block));
    if (code == GRAPHICS_EXT_FUNC_CODE && block != nullptr && block[0] >= 4 &&
        (block[1] & 1) != 0) {
      background = block[4];
    }
    while (block != nullptr) Check(gif, DGifGetExtensionNext(gif.get(), &block));
  }
  Check(gif, DGifGetImageDesc(gif.get()));
  return background;
}

Palette ReadPalette(const GifFileType& gif) {
  const ColorMapObject* map = gif.Image.ColorMap != nullptr ? gif.Image.ColorMap : gif.SColorMap;
  if (map == nullptr) return Palette::Greys();
  Palette palette;
  bool greys = true;  // 0, 1, 2..: Pillow takes the picture for grey, also beyond the palette's end
  for (int i = 0; i < map->ColorCount; ++i) {
    const GifColorType& from = map->Colors[i];
    palette.colour.at(static_cast<std::size_t>(i)) = {from.Red, from.Green, from.Blue};
    greys = greys && from.Red == i && from.Green == i && from.Blue == i;
  }
  return greys ? Palette::Greys() : palette;
}

}  // namespace

// As Pillow: the first frame alone, on a canvas that holds the screen and the frame.
Image DecodeGif(std::string_view bytes, const DecodeLimits& limits) {
  Source source{bytes};
  int code = 0;
  const Gif gif(DGifOpen(&source, ReadBytes, &code));
  if (gif == nullptr) Fail(code);
  const std::uint8_t background = FindFirstFrame(gif, source);
  const GifImageDesc& frame = gif->Image;
  if (frame.Width <= 0 || frame.Height <= 0) throw ImageError("GIF decoder: has no pixels");
  Image image = StartImage(std::max(gif->SWidth, frame.Left + frame.Width),
                           std::max(gif->SHeight, frame.Top + frame.Height), limits);
  const Palette palette = ReadPalette(*gif);
  const auto width = static_cast<std::size_t>(image.width);
  image.rgb.resize(3 * width * static_cast<std::size_t>(image.height));
  const auto& around = palette.colour[background];
  if (frame.Width < image.width || frame.Height < image.height) {
    for (std::size_t i = 0; i < 3 * width; ++i) image.rgb[i] = around[i % 3];
    for (std::size_t at = 3 * width; at < image.rgb.size(); at += 3 * width) {
      std::memcpy(image.rgb.data() + at, image.rgb.data(), 3 * width);
    }
  }
  std::vector<GifPixelType> line(static_cast<std::size_t>(frame.Width));
  struct Pass {
    int first, step;
  };
  static constexpr Pass kPlain[] = {{0, 1}};
  static constexpr Pass kInterlaced[] = {{0, 8}, {4, 8}, {2, 4}, {1, 2}};
  const auto read = [&](const Pass& pass) {
    for (int y = pass.first; y < frame.Height; y += pass.step) {
      Check(gif, DGifGetLine(gif.get(), line.data(), frame.Width));
      const std::size_t row = static_cast<std::size_t>(frame.Top + y) * width;
      palette.Apply(line.data(), line.size(),
                    image.rgb.data() + 3 * (row + static_cast<std::size_t>(frame.Left)));
    }
  };
  if (frame.Interlace) {
    for (const Pass& pass : kInterlaced) read(pass);
  } else {
    for (const Pass& pass : kPlain) read(pass);
  }
  return image;
}

}  // namespace clipsweep
