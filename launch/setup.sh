#!/usr/bin/env bash
# Installs what clipsweep needs (Debian 12, Ubuntu 24.04), configures and builds into build/.
# A second run only checks, and takes seconds; one that was interrupted goes on.
#
#   launch/setup.sh [--demo] [--scripts] [--tests] [--no-apt] [CMake options, as -DCLIPSWEEP_CUDA=OFF]
#
# Without an option: the program alone, with .venv for LibTorch. Besides:
#   --demo     what launch/demo.sh wants (numpy, Pillow, scikit-learn)
#   --scripts  what launch/import_tip_adapter.py and launch/export_adapter.py want (h5py, the whole of torch)
#   --tests    what launch/test.sh wants, and the tests' programs; a tool that cannot be had makes tests skip
#   --no-apt   install no system packages (a cluster whose modules provide them); launch/packages.txt lists them
# LibTorch comes without the CUDA libraries (2.2 GB to download) where neither a GPU nor nvcc is found, or with
# -DCLIPSWEEP_CUDA=OFF. Environment: PYTHON (python3), BUILD_DIR (build), JOBS (all cores that memory suffices for),
# TORCH_PREFIX (a LibTorch to use instead of the pinned wheel), TEST_HOSTS (1: with --tests also what tests/multihost
# needs, with services that Debian may start, and a browser: for throw-away machines).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

use_apt=1 demo=0 scripts=0 tests=0
cmake_options=()
for argument in "$@"; do
  case "$argument" in
    --demo) demo=1 ;;
    --scripts) scripts=1 ;;
    --tests) tests=1 ;;
    --no-apt) use_apt=0 ;;
    -D*) cmake_options+=("$argument") ;;
    -h|--help) sed -n '2,17s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) fail "$argument: not an option; see launch/setup.sh --help" ;;
  esac
done
build=${BUILD_DIR:-build}
again=${CLIPSWEEP_COMMAND:-launch/setup.sh}  # the command to give again, in messages
. launch/setup/packages.sh
. launch/setup/python.sh
. launch/setup/build.sh

check_writable "$build"
groups=(build)
[ "$tests" = 0 ] || groups+=(tests)
[ "$tests" = 0 ] || [ "${TEST_HOSTS:-0}" != 1 ] || groups+=(hosts)
[ "$use_apt" = 0 ] || install_packages "${groups[@]}"
for tool in cmake ninja c++; do
  command -v "$tool" >/dev/null || fail "$tool is not installed ($(package_of_tool "$tool")); install it, then give $again again"
done

sets=()
if [ -z "${TORCH_PREFIX:-}" ]; then
  if wants_cuda "${cmake_options[@]}"; then sets+=(torch); else sets+=(libtorch); fi
fi
[ "$demo" = 0 ] || sets+=(demo)
[ "$scripts" = 0 ] || sets+=(scripts)
[ "$tests" = 0 ] || sets+=(tests)
# LibTorch is all that building wants: what else the tests want comes meanwhile, but for a terminal, where two
# progress bars would be in each other's way.
downloading=""
if [ "${sets[*]}" = "libtorch tests" ] && [ ! -t 1 ] && ! is_set_installed tests; then
  install_python libtorch
  # A process group of its own: whatever ends this script ends pip too, which would else go on filling .venv.
  set -m
  (install_python tests) &
  downloading=$!
  set +m
  trap 'kill -- "-$downloading" 2>/dev/null || true' EXIT
elif [ "${#sets[@]}" -gt 0 ]; then
  install_python "${sets[@]}"
fi

configure "$build" "${TORCH_PREFIX:-$(torch_prefix)}" "$tests" "${cmake_options[@]}"
say "building"
if [ "$tests" = 1 ]; then build_target "$build" all; else build_target "$build" clipsweep; fi
[ -z "$downloading" ] || wait "$downloading" || exit 1
say "done: $build/clipsweep ($("$build/clipsweep" --version))"
