#include "launch/convert/array.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
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

float FromBfloat(std::uint16_t half) {
  const std::uint32_t bits = static_cast<std::uint32_t>(half) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// use(value) for every number, in order.
template <typename Stored, typename Use>
void EachOf(const Array& array, const Use& use) {
  for (std::size_t at = 0; at + sizeof(Stored) <= array.bytes.size(); at += sizeof(Stored)) {
    Stored value;
    std::memcpy(&value, array.bytes.data() + at, sizeof value);
    use(value);
  }
}

template <typename Use>
void EachNumber(const Array& array, const Use& use) {
  switch (array.type) {
    case ElementType::kF16:
      return EachOf<_Float16>(array, [&](_Float16 v) { use(static_cast<float>(v)); });
    case ElementType::kBF16:
      return EachOf<std::uint16_t>(array, [&](std::uint16_t v) { use(FromBfloat(v)); });
    case ElementType::kF32: return EachOf<float>(array, use);
    case ElementType::kF64: return EachOf<double>(array, use);
    case ElementType::kI8: return EachOf<std::int8_t>(array, use);
    case ElementType::kI16: return EachOf<std::int16_t>(array, use);
    case ElementType::kI32: return EachOf<std::int32_t>(array, use);
    case ElementType::kI64: return EachOf<std::int64_t>(array, use);
    case ElementType::kU8:
    case ElementType::kBool: return EachOf<std::uint8_t>(array, use);
    case ElementType::kU16: return EachOf<std::uint16_t>(array, use);
    case ElementType::kU32: return EachOf<std::uint32_t>(array, use);
    case ElementType::kU64: return EachOf<std::uint64_t>(array, use);
    case ElementType::kUtf32:
    case ElementType::kUtf8: return;
  }
}

// Row of axis 0 in which the element stands.
std::int64_t RowOf(const Array& array, std::size_t element) {
  if (array.shape.empty()) return 0;
  const std::int64_t rows = std::max<std::int64_t>(1, array.shape[0]);
  return static_cast<std::int64_t>(element) / (ElementCount(array.shape) / rows);
}

[[noreturn]] void FailIn(const Array& array, const std::string& where, std::size_t element,
                         const std::string& what) {
  throw InputError(fmt::format("{}: row {} {}", where, RowOf(array, element), what));
}

void RequireElements(const Array& array, const std::string& where) {
  if (ElementCount(array.shape) > 0) return;
  throw InputError(
      fmt::format("{}: is empty, {}; at least one row is needed", where, ShapeText(array.shape)));
}

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

std::vector<float> ToFloats(const Array& array, const std::string& where) {
  if (!IsFloating(array.type)) {
    throw InputError(fmt::format("{}: holds {}, floating numbers are needed; convert it before",
                                 where, TypeName(array.type)));
  }
  RequireElements(array, where);
  std::vector<float> values;
  values.reserve(static_cast<std::size_t>(ElementCount(array.shape)));
  EachNumber(array, [&](auto stored) {
    const auto value = static_cast<float>(stored);
    if (!std::isfinite(static_cast<double>(stored))) {
      FailIn(array, where, values.size(), "has a value that is not finite; look at that row");
    }
    if (!std::isfinite(value)) {
      FailIn(array, where, values.size(), "has a value beyond float32; scale it before");
    }
    values.push_back(value);
  });
  return values;
}

std::vector<std::int64_t> ToWholes(const Array& array, const std::string& where) {
  if (BytesOfType(array.type) == 0) {
    throw InputError(
        fmt::format("{}: holds text, whole numbers are needed; number the classes", where));
  }
  RequireElements(array, where);
  std::vector<std::int64_t> values;
  values.reserve(static_cast<std::size_t>(ElementCount(array.shape)));
  constexpr double kMost = 9.0e15;  // what a double holds exactly
  EachNumber(array, [&](auto stored) {
    const auto value = static_cast<double>(stored);
    if (!(std::abs(value) <= kMost) || value != std::floor(value)) {
      FailIn(array, where, values.size(),
             fmt::format("has {}, which is no whole number or too large; labels count classes "
                         "from 0",
                         value));
    }
    values.push_back(static_cast<std::int64_t>(stored));
  });
  return values;
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
