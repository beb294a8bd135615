#!/usr/bin/env bash
# Builds tests with sanitizers and runs them: unit tests with AddressSanitizer and UBSan, then those of what
# runs on several threads with ThreadSanitizer.
#
#   launch/sanitize.sh [--full] [asan] [tsan]
#
# --full: with the unit tests of launch/ too, which take as long again to build.
# After launch/setup.sh --tests (or launch/test.sh). Environment: TORCH_PREFIX as there, JOBS (all cores).
# What it builds, and its logs, are in build-asan/ and build-tsan/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
case "${1:-}" in -h|--help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;; esac

fail() { printf 'sanitize: %s\n' "$*" >&2; exit 1; }
again=launch/sanitize.sh build=""
. launch/setup/packages.sh
. launch/setup/python.sh
. launch/setup/build.sh
. launch/setup/parts.sh

of_asan=(thread_tests unit_tests)
if [ "${1:-}" = --full ]; then shift; of_asan+=(launch_tests); fi
[ $# -gt 0 ] || set -- asan tsan
parts_begin
for preset in "$@"; do
  [ "$preset" = asan ] || [ "$preset" = tsan ] || { echo "sanitize: '$preset' is not one of asan, tsan" >&2; exit 2; }
done
[ -n "${TORCH_PREFIX:-}" ] || [ -x .venv/bin/python ] || fail "no .venv; run launch/setup.sh --tests first, or set TORCH_PREFIX"
export TORCH_PREFIX=${TORCH_PREFIX:-$(torch_prefix)}
# Open MPI, HDF5 and LibTorch keep what they have until the end: only what is not reachable any more is a leak,
# and theirs are named. LibTorch and OpenMP are not instrumented: what ThreadSanitizer cannot see of them is.
export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export LSAN_OPTIONS=suppressions=$PWD/tests/sanitizers/lsan.supp:print_suppressions=0
export TSAN_OPTIONS=suppressions=$PWD/tests/sanitizers/tsan.supp:halt_on_error=0:second_deadlock_stack=1
for preset in "$@"; do
  folder=build-$preset
  check_writable "$folder"
  cmake --preset "$preset" > "$folder/configure.log" 2>&1 \
    || fail "configuring failed: $(configure_failure "$folder/configure.log"); the whole log is $folder/configure.log"
  ! grep -q '^-- C++ tests: left out' "$folder/configure.log" \
    || fail "GoogleTest is missing; run launch/setup.sh --tests, or install it (on Debian and Ubuntu: libgtest-dev)"
  programs=(thread_tests)
  [ "$preset" != asan ] || programs=("${of_asan[@]}")
  for program in "${programs[@]}"; do
    part "$preset: build $program" build_target "$folder" "$program"
    part "$preset: $program" "$folder/tests/$program" --gtest_brief=1
  done
  echo "sanitize: $preset passed"
done
