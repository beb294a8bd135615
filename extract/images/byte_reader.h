// Little-endian numbers out of a file's bytes, for the formats that are read here.
#pragma once

#include <cstdint>
#include <string_view>

#include "extract/images/image_decode.h"

namespace clipsweep {

// Throws ImageError, with `what` for the format, where the bytes end too early.
class ByteReader {
 public:
  ByteReader(std::string_view bytes, const char* what) : bytes_(bytes), what_(what) {}

  std::string_view Bytes(std::size_t at, std::size_t count) const {
    if (at > bytes_.size() || count > bytes_.size() - at) {
      throw ImageError(std::string(what_) + " decoder: the file is truncated");
    }
    return bytes_.substr(at, count);
  }
  std::uint32_t U16(std::size_t at) const { return Number(Bytes(at, 2)); }
  std::uint32_t U32(std::size_t at) const { return Number(Bytes(at, 4)); }

 private:
  static std::uint32_t Number(std::string_view bytes) {
    std::uint32_t value = 0;
    for (std::size_t i = bytes.size(); i-- > 0;) {
      value = value << 8 | static_cast<std::uint8_t>(bytes[i]);
    }
    return value;
  }

  std::string_view bytes_;
  const char* what_;
};

}  // namespace clipsweep
