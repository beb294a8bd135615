// What a file is, told by its first bytes and never by its name.
#pragma once

#include <cstddef>
#include <string_view>

namespace clipsweep {

// As many first bytes as tell the kind.
inline constexpr std::size_t kKindBytes = 1024;

// "JPEG", "PNG", "WebP", "GIF", "BMP", "TIFF" or "PNM" (PBM, PGM, PPM): the kinds of picture that
// extract/images/image_decode.h knows; nullptr for anything else. A build may lack a library for
// one of them; DecodeImage then says so.
const char* ImageKind(std::string_view first_bytes);

// What else it is, to complete "is ...": "an AVIF picture", "an HTML page", "a Git LFS pointer,
// ..."; nullptr when the bytes tell nothing, or are of a kind that ImageKind knows.
const char* OtherKind(std::string_view first_bytes);

}  // namespace clipsweep
