// NumPy's .npy: a magic word, a header that is a Python dictionary, then the numbers. The header is
// read by rule, never by Python, and every size in it is held against the bytes that are there
// before anything is allocated: files may be hostile. Throws NpyError only, so that it can be
// fuzzed alone. https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include "launch/convert/array.h"

namespace clipsweep {

inline constexpr std::string_view kNpyMagic("\x93NUMPY", 6);

// What is wrong, and what to do; the caller knows the file.
class NpyError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct NpyHeader {
  ElementType type = ElementType::kF32;
  std::size_t element_bytes = 4;
  bool big_endian = false;
  bool fortran_order = false;
  std::vector<std::int64_t> shape;
  std::size_t data_begin = 0;  // bytes before the numbers
};

// `file`: all of it. Its bytes are exactly those that the header promises.
NpyHeader ParseNpyHeader(std::string_view file);

// The array, in C order and little endian whichever way it is stored.
Array DecodeNpy(std::string file);

// Everything before the numbers, version 1.0.
std::string NpyStart(const Array& array);

}  // namespace clipsweep
