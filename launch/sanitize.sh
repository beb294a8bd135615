#!/usr/bin/env bash
# Builds the unit tests with sanitizers and runs them: AddressSanitizer with UBSan, then ThreadSanitizer.
#
#   launch/sanitize.sh [asan] [tsan]
#
# After launch/setup.sh. Environment: TORCH_PREFIX as there, JOBS (all cores).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
case "${1:-}" in -h|--help) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 0 ;; esac

export TORCH_PREFIX=${TORCH_PREFIX:-$(.venv/bin/python -c 'import torch; print(torch.utils.cmake_prefix_path)')}
# Open MPI, HDF5 and LibTorch keep what they have until the end: only what is not reachable any more is a leak,
# and theirs are named. LibTorch and OpenMP are not instrumented: what ThreadSanitizer cannot see of them is.
export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export LSAN_OPTIONS=suppressions=$PWD/tests/sanitizers/lsan.supp:print_suppressions=0
export TSAN_OPTIONS=suppressions=$PWD/tests/sanitizers/tsan.supp:halt_on_error=0:second_deadlock_stack=1
for preset in "${@:-asan}" ; do
  [ "$preset" = asan ] || [ "$preset" = tsan ] || { echo "sanitize: '$preset' is none of asan, tsan" >&2; exit 2; }
done
[ $# -gt 0 ] || set -- asan tsan
for preset in "$@"; do
  cmake --preset "$preset" > "build-$preset.log" 2>&1 || { tail -20 "build-$preset.log" >&2; exit 1; }
  cmake --build "build-$preset" --target unit_tests --parallel "${JOBS:-$(nproc)}" >> "build-$preset.log" 2>&1 \
    || { grep -E 'error|FAILED' "build-$preset.log" | head >&2; exit 1; }
  "build-$preset/tests/unit_tests" --gtest_brief=1
  echo "sanitize: $preset passed"
done
