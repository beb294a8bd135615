#include "extract/images/pillow_modes.h"

namespace clipsweep {

int MulDiv255(int a, int b) {
  const int t = a * b + 128;
  return ((t >> 8) + t) >> 8;
}

Palette Palette::Greys() {
  Palette greys;
  for (std::size_t i = 0; i < greys.colour.size(); ++i) {
    greys.colour[i].fill(static_cast<std::uint8_t>(i));
  }
  return greys;
}

void Palette::Apply(const std::uint8_t* indices, std::size_t pixels, std::uint8_t* rgb) const {
  for (std::size_t i = 0; i < pixels; ++i, rgb += 3) {
    const auto& from = colour[indices[i]];
    rgb[0] = from[0];
    rgb[1] = from[1];
    rgb[2] = from[2];
  }
}

void GreyToRgb(const std::uint8_t* grey, std::size_t pixels, std::uint8_t* rgb) {
  for (std::size_t i = 0; i < pixels; ++i, rgb += 3) {
    const std::uint8_t value = grey[i];
    rgb[0] = rgb[1] = rgb[2] = value;
  }
}

bool ClipGrey16(const std::uint8_t* grey, bool big_endian, std::size_t pixels, std::uint8_t* rgb) {
  const std::size_t high = big_endian ? 0 : 1;
  bool clipped = false;
  for (std::size_t i = 0; i < pixels; ++i, rgb += 3) {
    const bool over = grey[2 * i + high] != 0;
    const std::uint8_t value = over ? 255 : grey[2 * i + 1 - high];
    clipped |= over;
    rgb[0] = rgb[1] = rgb[2] = value;
  }
  return clipped;
}

ImageNote ClippedNote() {
  return {NoteKind::kGrey16Clipped,
          "is 16-bit grey; its values above 255 count as white, as in Pillow; scale it to 8 bits "
          "if that is not meant"};
}

void CmykToRgb(const std::uint8_t* cmyk, std::size_t pixels, std::uint8_t* rgb) {
  for (std::size_t i = 0; i < pixels; ++i, cmyk += 4, rgb += 3) {
    const int white = 255 - cmyk[3];
    for (int c = 0; c < 3; ++c) {
      rgb[c] = static_cast<std::uint8_t>(white - MulDiv255(cmyk[c], white));
    }
  }
}

}  // namespace clipsweep
