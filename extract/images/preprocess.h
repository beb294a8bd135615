// CLIP's image transform (OpenAI clip/clip.py _transform) as far as pixels are 8 bits wide: shorter
// side to n by antialiased bicubic, centre crop, RGB. PixelScale does the rest.
#pragma once

#include <cstdint>

#include "extract/images/image_decode.h"

namespace clipsweep {

// Height and width after Resize(n): the shorter side is n, the other int(n * long / short).
struct Size2 {
  std::int64_t height, width;
};
Size2 ResizedShape(std::int64_t height, std::int64_t width, std::int64_t n);

// Resized and cropped pixels [n, n, 3], before scaling to floats: the same bytes as Pillow's.
Image ResizeAndCrop(const Image& image, int n);

// Names the transform in provenance; changes whenever its output would.
inline constexpr const char* kPreprocessName = "clip-bicubic-pillow13";

}  // namespace clipsweep
