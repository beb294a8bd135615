#!/usr/bin/env bash
# Sets up, then runs every test: unit and MPI (ctest), then oracle, cli and fault (pytest). Prints what was
# skipped and why. Options are those of launch/setup.sh. CLIPSWEEP_TEST_DATA: a folder with imagenette/,
# photos/, badimages/ and caltech101-rn50/; tests that need it skip where it is absent.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
VENV=1 launch/setup.sh "$@" || exit 1
. launch/mpi_env.sh

build=${BUILD_DIR:-build}
status=0
ctest --test-dir "$build" --output-on-failure || status=1
CLIPSWEEP_BUILD=$build .venv/bin/python -m pytest tests -rs -q -p no:cacheprovider || status=1
[ "$status" = 0 ] && echo "test: all passed" || echo "test: FAILED" >&2
exit "$status"
