// What the processor is and can do, as far as a choice hangs on it.
#pragma once

namespace clipsweep {

// Products of bfloat16 in hardware; elsewhere they are emulated.
inline bool HasBfloat16() {
#if defined(__x86_64__) && defined(__GNUC__)
  return __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

inline bool IsIntel() {
#if defined(__x86_64__) && defined(__GNUC__)
  return __builtin_cpu_is("intel");
#else
  return false;
#endif
}

}  // namespace clipsweep
