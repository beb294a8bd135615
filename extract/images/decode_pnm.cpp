// PBM, PGM and PPM by Pillow's rules (its PpmImagePlugin.py), which scale to the largest value.
#include <fmt/core.h>

#include <cmath>
#include <cstring>

#include "extract/images/image_decode.h"
#include "extract/images/pillow_modes.h"

namespace clipsweep {
namespace {

bool IsSpace(char c) { return std::strchr(" \t\n\v\f\r", c) != nullptr && c != '\0'; }
bool IsLineEnd(char c) { return c == '\n' || c == '\r'; }

[[noreturn]] void Truncated() { throw ImageError("PNM decoder: the file is truncated"); }

// What stands in the file as text: numbers between white space, comments from # to the line's end.
class Text {
 public:
  explicit Text(std::string_view bytes) : bytes_(bytes), at_(2) {}

  // At most 10 digits; the white space behind it is passed over too.
  std::int64_t Number() {
    std::string token;
    while (token.size() <= 10) {
      const char c = Next();
      if (c == '\0') break;
      if (!IsSpace(c)) {
        token += c;
      } else if (!token.empty()) {
        break;
      }
    }
    if (token.empty()) Truncated();
    if (token.size() > 10 || token.find_first_not_of("0123456789") != std::string::npos) {
      throw ImageError("PNM decoder: something stands where a number should");
    }
    return std::stoll(token);
  }

  // 0 or 1 of a plain bitmap, where white space is not needed.
  int Bit() {
    char c = Next();
    while (IsSpace(c)) c = Next();
    if (c == '\0') Truncated();
    if (c != '0' && c != '1') throw ImageError("PNM decoder: something stands where 0 or 1 should");
    return c - '0';
  }

  std::size_t at() const { return at_; }

 private:
  // The next character outside comments; '\0' at the end.
  char Next() {
    while (at_ < bytes_.size() && bytes_[at_] == '#') {
      while (at_ < bytes_.size() && !IsLineEnd(bytes_[at_])) ++at_;
      if (at_ < bytes_.size()) ++at_;
    }
    if (at_ == bytes_.size()) return '\0';
    const char c = bytes_[at_++];
    if (c == '\0') throw ImageError("PNM decoder: a zero byte in its text");
    return c;
  }

  std::string_view bytes_;
  std::size_t at_;
};

struct PnmHeader {
  char kind = 0;  // '1' to '6'
  std::int64_t width = 0, height = 0, most = 1;

  bool plain() const { return kind <= '3'; }
  bool bitmap() const { return kind == '1' || kind == '4'; }
  std::size_t channels() const { return kind == '3' || kind == '6' ? 3 : 1; }
  // Pillow keeps grey of more than 8 bits in 16, and clips it when it becomes RGB.
  bool clips() const { return !bitmap() && channels() == 1 && most > 255; }
};

// The 8-bit value of each sample; Python rounds halves to even, as nearbyint does.
std::vector<std::uint8_t> Levels(const PnmHeader& header) {
  std::vector<std::uint8_t> levels;
  const double top = header.clips() ? 65535 : 255;
  for (std::int64_t v = 0; v <= header.most; ++v) {
    const double level =
        std::nearbyint(static_cast<double>(v) / static_cast<double>(header.most) * top);
    levels.push_back(static_cast<std::uint8_t>(std::min(level, 255.0)));
  }
  return levels;
}

void ReadBitmap(const PnmHeader& header, std::string_view bytes, Text& text, Image& image) {
  const auto width = static_cast<std::size_t>(image.width);
  std::uint8_t* rgb = image.rgb.data();
  const std::size_t stride = (width + 7) / 8;
  for (std::size_t y = 0; y < static_cast<std::size_t>(image.height); ++y) {
    for (std::size_t x = 0; x < width; ++x, rgb += 3) {
      const int bit =
          header.plain()
              ? text.Bit()
              : static_cast<std::uint8_t>(bytes[text.at() + stride * y + x / 8]) >> (7 - x % 8) & 1;
      std::memset(rgb, bit != 0 ? 0 : 255, 3);
    }
  }
}

}  // namespace

Image DecodePnm(std::string_view bytes, const DecodeLimits& limits) {
  PnmHeader header;
  header.kind = bytes[1];
  Text text(bytes);
  header.width = text.Number();
  header.height = text.Number();
  if (!header.bitmap()) {
    header.most = text.Number();
    if (header.most < 1 || header.most > 65535) {
      throw ImageError(fmt::format("PNM decoder: a largest value of {}", header.most));
    }
  }
  Image image = StartImage(header.width, header.height, limits);
  const std::size_t pixels =
      static_cast<std::size_t>(header.width) * static_cast<std::size_t>(header.height);
  const std::size_t samples = pixels * header.channels(), wide = header.most > 255 ? 2 : 1;
  const std::size_t needed = header.plain()    ? samples  // at least a digit each
                             : header.bitmap() ? (static_cast<std::size_t>(header.width) + 7) / 8 *
                                                     static_cast<std::size_t>(header.height)
                                               : samples * wide;
  if (bytes.size() - text.at() < needed) Truncated();
  image.rgb.resize(3 * pixels);
  if (header.bitmap()) {
    ReadBitmap(header, bytes, text, image);
    return image;
  }
  const std::vector<std::uint8_t> levels = Levels(header);
  const auto* in = reinterpret_cast<const std::uint8_t*>(bytes.data()) + text.at();
  const std::size_t copies = 3 / header.channels();
  std::uint8_t* rgb = image.rgb.data();
  std::int64_t largest = 0;
  for (std::size_t i = 0; i < samples; ++i) {
    std::int64_t value = 0;
    if (header.plain()) {
      value = text.Number();
    } else {
      value = wide == 2 ? in[2 * i] << 8 | in[2 * i + 1] : in[i];
    }
    if (value > header.most) {
      if (header.plain()) throw ImageError("PNM decoder: a value above the largest");
      value = header.most;
    }
    largest = std::max(largest, value);
    for (std::size_t c = 0; c < copies; ++c) *rgb++ = levels[static_cast<std::size_t>(value)];
  }
  if (header.clips() && std::nearbyint(static_cast<double>(largest) /
                                       static_cast<double>(header.most) * 65535) > 255) {
    image.notes.push_back(ClippedNote());
  }
  return image;
}

}  // namespace clipsweep
