// libFuzzer target: any bytes as a picture end in pixels of the size they claim or an ImageError.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "extract/images/image_decode.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    // Of a megapixel at most, so that a run of the fuzzer does not spend its time on
    // empty canvases.
    clipsweep::DecodeLimits limits;
    limits.max_pixels = 1 << 20;
    const auto image =
        clipsweep::DecodeImage(std::string_view(reinterpret_cast<const char*>(data), size), limits);
    if (image.width <= 0 || image.height <= 0) std::abort();
    if (image.rgb.size() != std::size_t{3} * static_cast<std::size_t>(image.width) *
                                static_cast<std::size_t>(image.height)) {
      std::abort();
    }
  } catch (const clipsweep::ImageError&) {
  }
  return 0;
}
