// Samples as files store them -> RGB, in the arithmetic of Pillow's convert("RGB").
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "extract/images/image_decode.h"

namespace clipsweep {

// a b / 255, rounded, as Pillow computes it.
int MulDiv255(int a, int b);

// Colours by index. Entries that a file does not give are black, as in Pillow.
struct Palette {
  std::array<std::array<std::uint8_t, 3>, 256> colour = {};

  static Palette Greys();  // 0 to 255, what indices without a palette mean
  // [pixels] -> [pixels, 3]. `indices` may be the last third of `rgb`.
  void Apply(const std::uint8_t* indices, std::size_t pixels, std::uint8_t* rgb) const;
};

// [pixels] -> [pixels, 3], each grey three times. `grey` may be the last third of `rgb`.
void GreyToRgb(const std::uint8_t* grey, std::size_t pixels, std::uint8_t* rgb);

// 16-bit grey is a mode of its own in Pillow, which convert("RGB") clips to 255 instead of scaling.
// [pixels, 2] -> [pixels, 3]. `grey` may be the last two thirds of `rgb`. True when a value was
// above 255.
bool ClipGrey16(const std::uint8_t* grey, bool big_endian, std::size_t pixels, std::uint8_t* rgb);
ImageNote ClippedNote();

// [pixels, 4], 0 is no ink, -> [pixels, 3]
void CmykToRgb(const std::uint8_t* cmyk, std::size_t pixels, std::uint8_t* rgb);

}  // namespace clipsweep
