// What the tags of a TIFF's first page say of its pixels, held to what is read here: the layouts
// that Pillow's table OPEN_INFO (TiffImagePlugin.py) reads as 8-bit colour or grey, or as 16-bit
// grey.
#pragma once

#include <cstdint>
#include <string>

#include "extract/images/image_decode.h"
#include "extract/images/pillow_modes.h"
#include "extract/images/tiff_file.h"

namespace clipsweep {

struct TiffLayout {
  std::uint32_t width = 0, height = 0;
  std::uint16_t bits = 1, samples = 1, photometric = 0, compression = 1, planar = 1;
  bool premultiplied = false;
  bool tiled = false;
  Palette palette = {};
  bool clips = false;  // 16-bit grey
};

// Sets how libtiff hands out JPEG colours and unpacks deflate. Throws ImageError naming what is not
// read.
TiffLayout ReadTiffLayout(const TiffFile& file);

// "is TIFF WHAT, which is not read here; convert it to PNG"
[[noreturn]] void RefuseTiff(const std::string& what);

}  // namespace clipsweep
