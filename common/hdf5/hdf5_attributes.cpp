#include "common/hdf5/hdf5_attributes.h"

#include <fmt/core.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "common/hdf5/hdf5_file.h"

namespace clipsweep::hdf5 {
namespace {

constexpr std::size_t kMostHeaderBytes = std::size_t{64} << 20;  // of all pieces together
constexpr std::size_t kMostPieces = 100'000;

struct Wrong : std::runtime_error {
  using std::runtime_error::runtime_error;
};

template <typename T>
T Number(std::string_view bytes, std::size_t at) {
  T value{};
  if (bytes.size() < sizeof value || at > bytes.size() - sizeof value)
    throw Wrong("its list of attributes is cut short");
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

class Header {
 public:
  explicit Header(const std::filesystem::path& path) : in_(path, std::ios::binary) {}

  void Check() {
    const std::string super = Read(0, 96);
    if (!super.starts_with("\x89HDF\r\n\x1a\n") || Number<std::uint8_t>(super, 8) != 0 ||
        Number<std::uint8_t>(super, 13) != 8 || Number<std::uint8_t>(super, 14) != 8)
      throw Wrong("it is of another layout of HDF5 than clipsweep writes");
    constexpr std::size_t kPrefix = 16, kRootAddress = 64;
    const auto root = Number<std::uint64_t>(super, kRootAddress);
    const std::string prefix = Read(root, kPrefix);
    if (Number<std::uint8_t>(prefix, 0) != 1)
      throw Wrong("it is of another layout of HDF5 than clipsweep writes");
    pieces_.push_back({root + kPrefix, Number<std::uint32_t>(prefix, 8)});
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
      if (i == kMostPieces) throw Wrong("its list of attributes has no end");
      CheckPiece(Read(pieces_[i].begin, pieces_[i].bytes));
    }
  }

 private:
  struct Piece {
    std::uint64_t begin, bytes;
  };

  // Addresses begin after the seal.
  std::string Read(std::uint64_t begin, std::uint64_t bytes) {
    read_ += bytes;
    if (bytes > kMostHeaderBytes || read_ > kMostHeaderBytes || begin > INT64_MAX / 2)
      throw Wrong("its list of attributes is too long");
    std::string text(bytes, '\0');
    in_.seekg(static_cast<std::streamoff>(begin + kUserBlock));
    in_.read(text.data(), static_cast<std::streamsize>(bytes));
    if (static_cast<std::uint64_t>(in_.gcount()) != bytes)
      throw Wrong("its list of attributes is cut short");
    return text;
  }

  // Messages: kind, bytes, flags and three bytes of nothing; then the bytes.
  void CheckPiece(const std::string& piece) {
    constexpr std::size_t kMessageHead = 8;
    constexpr std::uint16_t kAttribute = 0x0c, kContinuation = 0x10, kAttributeInfo = 0x15;
    std::size_t at = 0;
    while (at + kMessageHead <= piece.size()) {
      const auto kind = Number<std::uint16_t>(piece, at),
                 bytes = Number<std::uint16_t>(piece, at + 2);
      const auto flags = Number<std::uint8_t>(piece, at + 4);
      at += kMessageHead;
      if (bytes > piece.size() - at) throw Wrong("its list of attributes is cut short");
      const std::string_view message(piece.data() + at, bytes);
      if (kind == kContinuation) {
        pieces_.push_back({Number<std::uint64_t>(message, 0), Number<std::uint64_t>(message, 8)});
      }
      constexpr std::uint8_t kShared = 2;
      if (kind == kAttributeInfo || (kind == kAttribute && (flags & kShared) != 0))
        throw Wrong("it keeps attributes elsewhere than clipsweep does");
      if (kind == kAttribute) CheckAttribute(message);
      at += bytes;
    }
  }

  static void CheckAttribute(std::string_view message) {
    const auto version = Number<std::uint8_t>(message, 0), flags = Number<std::uint8_t>(message, 1);
    if (version < 1 || version > 3 || (version > 1 && flags != 0))
      throw Wrong("it has an attribute of another layout than clipsweep writes");
    const std::size_t sizes[] = {Number<std::uint16_t>(message, 2),
                                 Number<std::uint16_t>(message, 4),
                                 Number<std::uint16_t>(message, 6)};  // of name, type, shape
    std::size_t starts[4] = {version == 3 ? 9U : 8U, 0, 0, 0};        // and of the value
    for (std::size_t i = 0; i < 3; ++i) {
      const std::size_t padded = version == 1 ? (sizes[i] + 7) / 8 * 8 : sizes[i];
      starts[i + 1] = starts[i] + padded;
    }
    if (starts[3] > message.size()) throw Wrong("it has an attribute larger than its place");
    const std::string_view name = message.substr(starts[0], sizes[0]);
    if (name.size() < 2 || name.find('\0') != name.size() - 1)
      throw Wrong("it has an attribute without a proper name");
    const std::string_view type = message.substr(starts[1], sizes[1]);
    const std::string_view shape = message.substr(starts[2], sizes[2]);
    constexpr std::uint8_t kInteger = 0, kFloat = 1, kText = 3;
    const std::uint8_t kind = Number<std::uint8_t>(type, 0) & 15;
    const std::size_t value_bytes = Number<std::uint32_t>(type, 4);
    const std::size_t type_bytes = kind == kInteger ? 12 : kind == kFloat ? 20 : 8;
    const auto shape_version = Number<std::uint8_t>(shape, 0),
               rank = Number<std::uint8_t>(shape, 1);
    const auto shape_kind = shape_version == 2 ? Number<std::uint8_t>(shape, 3) : std::uint8_t{0};
    const std::string shown(name.substr(0, name.size() - 1));
    if (kind != kInteger && kind != kFloat && kind != kText)
      throw Wrong(fmt::format("attribute '{}' holds neither plain numbers nor texts of fixed width",
                              shown));
    if (rank != 0 || shape_kind != 0 || (shape_version != 1 && shape_version != 2))
      throw Wrong(fmt::format("attribute '{}' is not one number or text", shown));
    if (value_bytes == 0 || type_bytes > type.size() ||
        shape.size() < (shape_version == 1 ? 8U : 4U) || value_bytes > message.size() - starts[3])
      throw Wrong(fmt::format("attribute '{}' has a size that does not fit its value", shown));
  }

  std::ifstream in_;
  std::vector<Piece> pieces_;
  std::uint64_t read_ = 0;
};

}  // namespace

std::string AttributeProblem(const std::filesystem::path& path) {
  try {
    Header(path).Check();
  } catch (const Wrong& wrong) {
    return wrong.what();
  }
  return "";
}

}  // namespace clipsweep::hdf5
