// Bicubic, antialiased resizing of 8-bit RGB with Pillow's arithmetic (ImagingResample: weights as
// 22-bit fixed point, one axis after the other, rounded to 8 bits between), so that results are the
// same bytes. LibTorch's 8-bit resize keeps fewer bits and is two levels off now and then.
#pragma once

#include <cstdint>

#include "extract/images/image_decode.h"

namespace clipsweep {

// A window of the resized picture: what a crop keeps is all that is computed.
struct Window {
  std::int64_t left, top, width, height;
};

// Resizes `image` to width x height and returns the part in `window`, which must lie inside.
Image ResizeWindow(const Image& image, std::int64_t width, std::int64_t height,
                   const Window& window);

}  // namespace clipsweep
