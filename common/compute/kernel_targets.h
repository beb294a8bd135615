// Compiles a hot function once per instruction set and picks at load time: one binary for any
// x86-64. The levels are told by what a processor can do ("arch=haswell" is that one processor
// alone).
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#if __GNUC__ >= 12
#define CLIPSWEEP_KERNEL_TARGETS \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CLIPSWEEP_KERNEL_TARGETS __attribute__((target_clones("avx512f", "fma", "default")))
#endif
#else
#define CLIPSWEEP_KERNEL_TARGETS
#endif
