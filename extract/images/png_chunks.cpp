#include "extract/images/png_chunks.h"

#include <fmt/core.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <memory>

#include "extract/images/image_decode.h"

namespace clipsweep {
namespace {

constexpr std::size_t kSignature = 8, kHead = 8, kChecksum = 4;
constexpr std::size_t kMostText = std::size_t{1} << 20;  // of one chunk
constexpr std::size_t kMostTexts = 64 * kMostText;       // of all

std::uint32_t U32(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<std::uint8_t>(bytes[at + i]);
  return value;
}

std::uint32_t Checksum(std::string_view bytes) {
  return static_cast<std::uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

struct Chunk {
  std::string_view type;   // empty: the file ends before one
  std::string_view data;   // what there is of it
  std::string_view whole;  // head, data, checksum
  bool complete = false;   // the data, not necessarily the checksum
  bool checked = false;    // the checksum is there and right
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes), at_(kSignature) {}

  // `check`: whether the checksum is computed.
  Chunk Next(bool check) {
    Chunk chunk;
    if (bytes_.size() - at_ < kHead) return chunk;
    const std::size_t length = U32(bytes_, at_);
    chunk.type = bytes_.substr(at_ + 4, 4);
    chunk.data = bytes_.substr(at_ + kHead, length);
    chunk.complete = chunk.data.size() == length;
    chunk.whole = bytes_.substr(at_, kHead + length + kChecksum);
    chunk.checked =
        check && chunk.whole.size() == kHead + length + kChecksum &&
        Checksum(bytes_.substr(at_ + 4, 4 + length)) == U32(bytes_, at_ + kHead + length);
    at_ += chunk.whole.size();
    return chunk;
  }

 private:
  std::string_view bytes_;
  std::size_t at_;
};

// Letters, digits and underscores, as Pillow asks.
bool IsType(std::string_view type) {
  return type.size() == 4 && std::all_of(type.begin(), type.end(), [](char c) {
           return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
         });
}

// How much text and profiles unpack to.
class TextBudget {
 public:
  void Take(const Chunk& chunk) {
    const std::string_view data = chunk.data;
    if (chunk.type == "tEXt") {
      Add(data.size());
    } else if (chunk.type == "zTXt" || chunk.type == "iCCP") {
      const std::size_t end = data.find('\0');
      if (end == std::string_view::npos || end + 1 >= data.size()) return;
      if (data[end + 1] != 0) throw ImageError("PNG decoder: a text of unknown compression");
      Unpack(data.substr(end + 2));
    } else if (chunk.type == "iTXt") {
      std::size_t at = data.find('\0');
      if (at == std::string_view::npos || at + 2 >= data.size()) return;
      const bool packed = data[at + 1] != 0;
      if (packed && data[at + 2] != 0) return;
      for (int word = 0; word < 2; ++word) {  // language, translated keyword
        at = data.find('\0', word == 0 ? at + 3 : at + 1);
        if (at == std::string_view::npos) return;
      }
      packed ? Unpack(data.substr(at + 1)) : Add(data.size() - at - 1);
    }
  }

 private:
  void Add(std::size_t count) {
    total_ += count;
    if (total_ > kMostTexts) {
      throw ImageError(fmt::format(
          "PNG decoder: its texts and profiles unpack to more than {} bytes", kMostTexts));
    }
  }

  void Unpack(std::string_view packed) {
    z_stream stream{};
    if (inflateInit(&stream) != Z_OK) throw ImageError("PNG decoder: out of memory");
    const std::unique_ptr<z_stream, decltype(&inflateEnd)> ending(&stream, inflateEnd);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
    stream.avail_in = static_cast<uInt>(packed.size());
    std::array<Bytef, 1 << 14> piece;
    do {  // damaged text is no reason to refuse the picture
      stream.next_out = piece.data();
      stream.avail_out = static_cast<uInt>(piece.size());
    } while (inflate(&stream, Z_NO_FLUSH) == Z_OK && stream.total_out <= kMostText);
    if (stream.total_out > kMostText) {
      throw ImageError(
          fmt::format("PNG decoder: a text or profile unpacks to more than {} bytes", kMostText));
    }
    Add(stream.total_out);
  }

  std::size_t total_ = 0;
};

// Pillow puts the first frame of an animation where its frame control says.
void CheckFirstFrame(const Chunk& control, std::string_view header) {
  if (control.data.size() < 26) throw ImageError("PNG decoder: a truncated fcTL chunk");
  if (control.data.substr(4, 8) != header.substr(0, 8) || U32(control.data, 12) != 0 ||
      U32(control.data, 16) != 0) {
    throw ImageError(
        "is an animated PNG whose first frame does not fill it, which is not read here; convert "
        "it to a still PNG");
  }
}

}  // namespace

PngChunks ReadPngChunks(std::string_view bytes) {
  PngChunks found;
  found.parts.push_back(bytes.substr(0, kSignature));
  Reader reader(bytes);
  TextBudget texts;
  std::string_view header, palette;
  Chunk chunk = reader.Next(true);
  for (; chunk.type != "IDAT"; chunk = reader.Next(true)) {
    if (chunk.type.empty() || !chunk.complete)
      throw ImageError("PNG decoder: the file is truncated");
    if (!IsType(chunk.type)) throw ImageError("PNG decoder: a broken chunk");
    if (chunk.type == "IEND") throw ImageError("PNG decoder: has no picture");
    if (!chunk.checked) {
      throw ImageError(
          fmt::format("PNG decoder: the checksum of its {} chunk is wrong", chunk.type));
    }
    texts.Take(chunk);
    if (chunk.type == "IHDR") header = chunk.whole;
    if (chunk.type == "PLTE") palette = chunk.whole;
    if (chunk.type == "fcTL" && header.size() >= 21) CheckFirstFrame(chunk, header.substr(kHead));
  }
  if (header.empty()) throw ImageError("PNG decoder: has no header");
  found.parts.push_back(header);
  if (!palette.empty()) found.parts.push_back(palette);
  std::string_view idat = chunk.whole;
  for (; chunk.type == "IDAT"; chunk = reader.Next(true)) {
    idat =
        std::string_view(idat.data(), static_cast<std::size_t>(chunk.whole.end() - idat.begin()));
    if (!chunk.complete) found.cut_off = chunk.whole;
    found.bad_checksum |= chunk.complete && !chunk.checked;
  }
  found.parts.push_back(idat);
  // The rest: to its end, or to a frame that is not shown.
  for (; IsType(chunk.type) && chunk.type != "IEND" && chunk.type != "fcTL";
       chunk = reader.Next(false)) {
    if (!chunk.complete) throw ImageError("PNG decoder: the file is truncated");
    texts.Take(chunk);
  }
  return found;
}

}  // namespace clipsweep
