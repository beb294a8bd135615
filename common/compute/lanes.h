// 16 floats side by side, as kernels compute with them; included by them alone.
#pragma once

#include <cstdint>
#include <cstring>

namespace clipsweep {

using Lanes = float __attribute__((vector_size(64)));
using IntLanes = std::int32_t __attribute__((vector_size(64)));

[[gnu::always_inline]] inline Lanes LoadLanes(const float* p) {
  Lanes v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

// Of bfloat16, whose bits are the upper half of a float's.
[[gnu::always_inline]] inline Lanes LoadLanes(const std::uint16_t* p) {
  using Halves = std::uint16_t __attribute__((vector_size(32)));
  using Words = std::uint32_t __attribute__((vector_size(64)));
  Halves halves;
  std::memcpy(&halves, p, sizeof halves);
  const Words words = __builtin_convertvector(halves, Words) << 16;
  Lanes v;
  std::memcpy(&v, &words, sizeof v);
  return v;
}

// To the nearest bfloat16, ties to even; finite numbers.
[[gnu::always_inline]] inline void RoundLanes(Lanes v, std::uint16_t* out) {
  using Halves = std::uint16_t __attribute__((vector_size(32)));
  using Words = std::uint32_t __attribute__((vector_size(64)));
  Words words;
  std::memcpy(&words, &v, sizeof words);
  words += 0x7fff + ((words >> 16) & 1);
  const Halves halves = __builtin_convertvector(words >> 16, Halves);
  std::memcpy(out, &halves, sizeof halves);
}

[[gnu::always_inline]] inline void StoreLanes(float* p, Lanes v) { std::memcpy(p, &v, sizeof v); }

// exp by range reduction to |r| <= ln 2 / 2 and a polynomial of degree 7 (Cephes expf's
// coefficients). The power of two is put together from bits, so x is held to where it fits.
[[gnu::always_inline]] inline Lanes ExpLanes(Lanes x) {
  const Lanes floor = Lanes{} - 87.0f, ceiling = Lanes{} + 88.0f;
  const IntLanes vanishes = x < floor;
  x = x < floor ? floor : x;
  x = x > ceiling ? ceiling : x;
  const Lanes magic = Lanes{} + 12582912.0f;  // 1.5 * 2^23: adding it rounds to the nearest integer
  const Lanes n = (x * 1.44269504088896341f + magic) - magic;
  Lanes r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  Lanes y = Lanes{} + 1.9875691500e-4f;
  y = y * r + 1.3981999507e-3f;
  y = y * r + 8.3334519073e-3f;
  y = y * r + 4.1665795894e-2f;
  y = y * r + 1.6666665459e-1f;
  y = y * r + 5.0000001201e-1f;
  y = y * (r * r) + r + 1.0f;
  const IntLanes exponent = (__builtin_convertvector(n, IntLanes) + 127) << 23;
  Lanes scale;
  std::memcpy(&scale, &exponent, sizeof scale);
  return vanishes ? Lanes{} : y * scale;
}

}  // namespace clipsweep
