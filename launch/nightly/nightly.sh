#!/usr/bin/env bash
# One night, for cron, systemd and Slurm: names the commit, runs clipsweep nightly on RANKS ranks, and passes
# its exit code on (0 as before, 4 a regression, 2 or 3 a mistake in configuration or data).
#
#   launch/nightly/nightly.sh CONFIG [options of clipsweep nightly]
#
# Environment: RANKS (1), CLIPSWEEP (the program; default build/clipsweep), CLIPSWEEP_COMMIT (default: of this
# checkout), RUN_OPTIONS (further options of launch/run.sh, as --allow-root).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
[ $# -ge 1 ] || { echo "nightly.sh: give a configuration file, as launch/nightly/nightly.ini" >&2; exit 2; }
config=$1; shift
export CLIPSWEEP_COMMIT=${CLIPSWEEP_COMMIT:-$(git rev-parse --short HEAD 2>/dev/null || true)}
read -ra run_options <<< "${RUN_OPTIONS:-}"
# A night that fails is a row in the history; the next one is tomorrow's.
exec launch/run.sh -n "${RANKS:-1}" --restarts 0 "${run_options[@]}" -- nightly --config "$config" "$@"
