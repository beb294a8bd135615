// Which of a kernel's versions runs here.
#include "common/compute/kernel_targets.h"

#include <gtest/gtest.h>

namespace {

// 1 + 2^-23 squared less 1 + 2^-22: 2^-46 where the product is not rounded before it is added, else
// 0.
CLIPSWEEP_KERNEL_TARGETS
float ProductLess(float a, float b, float c) { return a * b - c; }

}  // namespace

TEST(KernelTargets, UseWhatTheProcessorHas) {
#if !defined(__x86_64__) || !defined(__GNUC__) || defined(__clang__) || \
    defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "kernels have one version here";
#else
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("fma")) GTEST_SKIP() << "this processor has one version to choose";
  volatile float a = 1.0f + 0x1p-23f, c = 1.0f + 0x1p-22f;
  EXPECT_EQ(ProductLess(a, a, c), 0x1p-46f);
#endif
}
