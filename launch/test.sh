#!/usr/bin/env bash
# Sets up, then runs every test: unit and MPI (ctest), then oracle, cli and fault (pytest). Prints what was
# skipped and why, and fails if a test has written outside build folders. Options are those of launch/setup.sh.
# CLIPSWEEP_TEST_DATA: a folder with imagenette/, photos/, badimages/ and caltech101-rn50/; tests that need it
# skip where it is absent. What tests alone want and is not here (clang, GoogleTest, a browser ..) makes them skip.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
case "${1:-}" in -h|--help) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
. launch/mpi_env.sh
. launch/setup/tree.sh

build=${BUILD_DIR:-build}
export PYTHONDONTWRITEBYTECODE=1
unknown=$(tree_unknown)
[ -n "$unknown" ] || before=$(tree_state "$build")
CLIPSWEEP_COMMAND=launch/test.sh launch/setup.sh --tests "$@" || exit 1

status=0
ctest --test-dir "$build" --output-on-failure || status=1
CLIPSWEEP_BUILD=$build .venv/bin/python -m pytest tests -rs -q -p no:cacheprovider || status=1
if [ -n "$unknown" ]; then
  echo "test: whether tests wrote outside the build folders was skipped: $unknown"
else
  tree_compare "$before" "$(tree_state "$build")" || status=1
fi
[ "$status" = 0 ] && echo "test: all passed" || echo "test: FAILED" >&2
exit "$status"
