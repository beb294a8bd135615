#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "common/process/error.h"
#include "launch/convert/array.h"

namespace clipsweep {
namespace {

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

}  // namespace

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

}  // namespace clipsweep
