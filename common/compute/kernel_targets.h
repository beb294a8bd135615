// Compiles a hot function once per instruction set and picks at load time: one binary for any
// x86-64.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define CLIPSWEEP_KERNEL_TARGETS \
  __attribute__((target_clones("arch=skylake-avx512", "arch=haswell", "default")))
#else
#define CLIPSWEEP_KERNEL_TARGETS
#endif
