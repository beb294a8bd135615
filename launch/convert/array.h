// An array of another program's file: its bytes as they are there, and what they become here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace clipsweep {

enum class ElementType {
  kF16,
  kBF16,
  kF32,
  kF64,
  kI8,
  kI16,
  kI32,
  kI64,
  kU8,
  kU16,
  kU32,
  kU64,
  kBool,
  kUtf32,  // texts of fixed width, padded with zeros: NumPy's <U
  kUtf8,   // the same in bytes: NumPy's |S
};

struct Array {
  ElementType type = ElementType::kF32;
  std::vector<std::int64_t> shape;
  std::size_t element_bytes = 4;  // of texts, their width
  std::string bytes;              // C order, little endian
};

// "float32", "text".
const char* TypeName(ElementType type);
// Bytes of one number; 0 for texts, whose width is the array's.
std::size_t BytesOfType(ElementType type);
bool IsFloating(ElementType type);

std::int64_t ElementCount(const std::vector<std::int64_t>& shape);
// "1600 x 1024", "7", "a single number".
std::string ShapeText(const std::vector<std::int64_t>& shape);

// All throw InputError that begins with `where`, which names the file and the array.

// Floating numbers as float32. Refuses other types, no elements, and values that are not finite or
// beyond float32, naming the first row (of axis 0).
std::vector<float> ToFloats(const Array& array, const std::string& where);
// Whole numbers, which may be stored as floating ones.
std::vector<std::int64_t> ToWholes(const Array& array, const std::string& where);
// [N] texts as UTF-8.
std::vector<std::string> ToTexts(const Array& array, const std::string& where);

template <typename T>
Array ArrayOf(ElementType type, std::vector<std::int64_t> shape, const std::vector<T>& values) {
  return {type, std::move(shape), sizeof(T),
          std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T))};
}
// [N] texts of one width, as UTF-32.
Array TextArray(const std::vector<std::string>& texts);

}  // namespace clipsweep
