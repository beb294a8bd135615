// The chunks of a PNG that make its picture, out of a file held to Pillow's rules for the others.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace clipsweep {

struct PngChunks {
  // The signature, IHDR, PLTE where there is one and all of IDAT: what the decoder is given.
  // Together they are a PNG that only lacks its end.
  std::vector<std::string_view> parts;
  std::string_view cut_off = {};  // the last chunk of IDAT where the file ends in it
  bool bad_checksum = false;      // of IDAT; Pillow does not look at it
};

// Text, profiles and unknown chunks are passed over. As in Pillow a chunk before the picture must
// have its right checksum, a compressed text or profile may not unpack to more than a megabyte, all
// of them together not to more than 64, no chunk may be cut off, and the first frame of an
// animation is the picture. Throws ImageError.
PngChunks ReadPngChunks(std::string_view bytes);

}  // namespace clipsweep
