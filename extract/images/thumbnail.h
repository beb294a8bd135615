// Small pictures inside an HTML page.
#pragma once

#include <string>

#include "extract/images/image_decode.h"

namespace clipsweep {

// The centre of the image, `side` pixels square, as "data:image/jpeg;base64,..".
std::string ThumbnailUrl(const Image& image, int side);

}  // namespace clipsweep
