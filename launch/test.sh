#!/usr/bin/env bash
# Sets up, then runs every test: unit and MPI (ctest), then oracle, cli and fault (pytest, several at a time).
#
#   launch/test.sh [--full|--quick] [options of launch/setup.sh]
#
# --full: every case at full counts, an hour and more; without it, samples of the long ones.
# --quick: what a developer wants after each change: builds, then unit tests and each command once, in a minute or two.
# Prints what was skipped and why, and how long each part took; fails if a test has written outside build folders.
# Environment: CLIPSWEEP_TEST_DATA, a folder with imagenette/, photos/, badimages/ and caltech101-rn50/; tests that
# need it skip where it is absent. What tests alone want and is not here (clang, GoogleTest, a browser ..) makes them
# skip. JOBS: how many tests run at a time (one more than there are cores).
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
case "${1:-}" in -h|--help) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
. launch/mpi_env.sh
. launch/setup/tree.sh
. launch/setup/parts.sh

build=${BUILD_DIR:-build}
fuzz_seconds=5 quick=0
case "${1:-}" in
  --full) shift; fuzz_seconds=30; export CLIPSWEEP_FULL=1 ;;
  --quick) shift; quick=1 ;;
esac
export PYTHONDONTWRITEBYTECODE=1 CLIPSWEEP_BUILD=$build
unknown=$(tree_unknown)
[ -n "$unknown" ] || before=$(tree_state "$build")
parts_begin
CLIPSWEEP_COMMAND=launch/test.sh part "setup and build" launch/setup.sh --tests "-DCLIPSWEEP_FUZZ_SECONDS=$fuzz_seconds" "$@" || exit 1

pytest() { .venv/bin/python -m pytest -rs -q -p no:cacheprovider --disable-warnings --durations=15 "$@"; }
status=0
if [ "$quick" = 1 ]; then
  part "unit tests" ctest --test-dir "$build" --output-on-failure --parallel "$(nproc)" -R '^(unit|launch|threads)$' || status=1
  part "each command once" pytest tests/cli/test_quick.py || status=1
  exit "$status"
fi
part "C++ tests" ctest --test-dir "$build" --output-on-failure --parallel "$(nproc)" || status=1
part "Python tests" pytest tests --ignore tests/multihost -n "${JOBS:-$(($(nproc) + 1))}" --dist worksteal || status=1
part "Python tests, several hosts" pytest tests/multihost || status=1
if [ -n "$unknown" ]; then
  echo "test: whether tests wrote outside the build folders was skipped: $unknown"
else
  tree_compare "$before" "$(tree_state "$build")" || status=1
fi
[ "$status" = 0 ] && echo "test: all passed" || echo "test: FAILED" >&2
exit "$status"
