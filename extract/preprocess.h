// CLIP's image transform (OpenAI clip/clip.py _transform): shorter side to n by antialiased bicubic
// on 8-bit pixels, centre crop, RGB, /255, mean and deviation.
#pragma once

#include <cstdint>

#include "extract/image_decode.h"

namespace clipsweep {

// Height and width after Resize(n): the shorter side is n, the other int(n * long / short).
struct Size2 {
  std::int64_t height, width;
};
Size2 ResizedShape(std::int64_t height, std::int64_t width, std::int64_t n);

// Resized and cropped pixels [n, n, 3], before scaling to floats. The same bytes as Pillow's.
Image ResizeAndCrop(const Image& image, int n);

// Writes float32 [3, n, n] to `out` (planar).
void Preprocess(const Image& image, int n, float* out);

// Names the transform in provenance; changes whenever its output would.
inline constexpr const char* kPreprocessName = "clip-bicubic-pillow";

}  // namespace clipsweep
