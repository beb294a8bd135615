#include "launch/convert/array.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <numeric>

#include "common/process/error.h"

namespace clipsweep {
namespace {

struct TypeRow {
  const char* name;
  std::size_t bytes;
};

// By ElementType.
constexpr TypeRow kTypes[] = {{"float16", 2}, {"bfloat16", 2}, {"float32", 4}, {"float64", 8},
                              {"int8", 1},    {"int16", 2},    {"int32", 4},   {"int64", 8},
                              {"uint8", 1},   {"uint16", 2},   {"uint32", 4},  {"uint64", 8},
                              {"bool", 1},    {"text", 0},     {"text", 0}};

void AppendUtf8(std::string& text, std::uint32_t point, const std::string& where) {
  if (point > 0x10FFFF || (point >= 0xD800 && point < 0xE000)) {
    throw InputError(fmt::format("{}: has a text that is not Unicode; write it again", where));
  }
  const auto put = [&](std::uint32_t bits) { text += static_cast<char>(bits); };
  if (point < 0x80) return put(point);
  if (point < 0x800) {
    put(0xC0 | point >> 6);
  } else {
    if (point < 0x10000) {
      put(0xE0 | point >> 12);
    } else {
      put(0xF0 | point >> 18);
      put(0x80 | (point >> 12 & 0x3F));
    }
    put(0x80 | (point >> 6 & 0x3F));
  }
  put(0x80 | (point & 0x3F));
}

// The code points of UTF-8; what is none stands for itself.
std::vector<std::uint32_t> PointsOf(const std::string& text) {
  std::vector<std::uint32_t> points;
  for (std::size_t at = 0; at < text.size();) {
    const auto first = static_cast<unsigned char>(text[at]);
    const std::size_t length = first < 0x80 ? 1 : first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    std::uint32_t point = length == 1 ? first : first & (0xFFu >> (length + 1));
    for (std::size_t i = 1; i < length && at + i < text.size(); ++i) {
      point = point << 6 | (static_cast<unsigned char>(text[at + i]) & 0x3Fu);
    }
    points.push_back(point);
    at += length;
  }
  return points;
}

}  // namespace

const char* TypeName(ElementType type) { return kTypes[static_cast<int>(type)].name; }
std::size_t BytesOfType(ElementType type) { return kTypes[static_cast<int>(type)].bytes; }
bool IsFloating(ElementType type) { return type <= ElementType::kF64; }

std::int64_t ElementCount(const std::vector<std::int64_t>& shape) {
  if (std::ranges::find(shape, 0) != shape.end()) return 0;  // the others may be of any size
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

std::string ShapeText(const std::vector<std::int64_t>& shape) {
  if (shape.empty()) return "a single number";
  return fmt::format("{}", fmt::join(shape, " x "));
}

std::vector<std::string> ToTexts(const Array& array, const std::string& where) {
  if (BytesOfType(array.type) != 0 || array.shape.size() != 1) {
    throw InputError(fmt::format("{}: is {} of {}, a row of texts is needed", where,
                                 ShapeText(array.shape), TypeName(array.type)));
  }
  std::vector<std::string> texts;
  const auto count = static_cast<std::size_t>(array.shape[0]);
  for (std::size_t i = 0; i < count; ++i) {
    const std::string_view cell(array.bytes.data() + i * array.element_bytes, array.element_bytes);
    std::string text;
    if (array.type == ElementType::kUtf8) {
      text = cell;
    } else {
      for (std::size_t at = 0; at + 4 <= cell.size(); at += 4) {
        std::uint32_t point;
        std::memcpy(&point, cell.data() + at, sizeof point);
        AppendUtf8(text, point, where);
      }
    }
    text.erase(text.find_last_not_of('\0') + 1);
    texts.push_back(std::move(text));
  }
  return texts;
}

Array TextArray(const std::vector<std::string>& texts) {
  std::vector<std::vector<std::uint32_t>> rows;
  std::size_t width = 1;
  for (const std::string& text : texts) {
    rows.push_back(PointsOf(text));
    width = std::max(width, rows.back().size());
  }
  Array array{ElementType::kUtf32, {static_cast<std::int64_t>(texts.size())}, 4 * width, {}};
  for (std::vector<std::uint32_t>& row : rows) {
    row.resize(width);
    array.bytes.append(reinterpret_cast<const char*>(row.data()), 4 * width);
  }
  return array;
}

}  // namespace clipsweep
