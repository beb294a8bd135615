#!/usr/bin/env bash
# Sets up, then runs the whole study on real handwritten digits on two MPI ranks, prints the table and makes the report.
# Options are those of launch/setup.sh. Everything it writes is in build/ and .venv/; no test is built.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
CLIPSWEEP_COMMAND=launch/demo.sh launch/setup.sh --demo "$@"
. launch/mpi_env.sh

build=${BUILD_DIR:-build}
demo=$build/demo
if [ ! -f "$demo/digits/classnames.txt" ]; then
  .venv/bin/python launch/demo/make_digits.py --out "$demo/digits"
fi
set -x
mpirun -np 2 "$build/clipsweep" experiment --config launch/demo/demo.ini --train "$demo/digits/train" \
  --val "$demo/digits/val" --test "$demo/digits/test" --classnames "$demo/digits/classnames.txt" --run "$demo/run" --json "$demo/run/experiment.json"
"$build/clipsweep" report --run "$demo/run" --out "$demo/run/report.html"
