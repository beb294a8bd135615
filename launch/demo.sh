#!/usr/bin/env bash
# Sets up, then runs the whole study on real handwritten digits on two MPI ranks, prints the table and makes the report.
# Options are those of launch/setup.sh. Everything it writes is in build/demo/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
VENV=1 launch/setup.sh "$@"
. launch/mpi_env.sh

demo=${BUILD_DIR:-build}/demo
if [ ! -f "$demo/digits/classnames.txt" ]; then
  .venv/bin/python launch/demo/make_digits.py --out "$demo/digits"
fi
set -x
mpirun -np 2 "${BUILD_DIR:-build}/clipsweep" experiment --config launch/demo/demo.ini --train "$demo/digits/train" \
  --val "$demo/digits/val" --test "$demo/digits/test" --classnames "$demo/digits/classnames.txt" --run "$demo/run" --json "$demo/run/experiment.json"
"${BUILD_DIR:-build}/clipsweep" report --run "$demo/run" --out "$demo/run/report.html"
