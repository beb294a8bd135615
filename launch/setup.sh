#!/usr/bin/env bash
# Installs what clipsweep needs (Debian 12, Ubuntu 24.04), makes .venv, configures and builds into build/.
# A second run only checks, and takes seconds.
#
#   launch/setup.sh [--no-apt] [CMake options, as -DCLIPSWEEP_CUDA=OFF]
#
# --no-apt: install no system packages (a cluster whose modules provide them).
# Environment: PYTHON (python3), BUILD_DIR (build), JOBS (all cores), TORCH_PREFIX (a LibTorch to use instead of
# the pinned wheel; then .venv is only made when VENV=1, as demo.sh and test.sh do), TEST_HOSTS (1: also what
# tests/multihost needs, with services that Debian may start, and a browser: for throw-away machines).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

use_apt=1
cmake_options=()
for argument in "$@"; do
  case "$argument" in
    --no-apt) use_apt=0 ;;
    -D*) cmake_options+=("$argument") ;;
    -h|--help) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) fail "$argument: not an option; see launch/setup.sh --help" ;;
  esac
done

packages=(build-essential cmake ninja-build pkg-config procps python3 python3-venv
  libopenmpi-dev openmpi-bin libhdf5-dev libboost-program-options-dev libboost-math-dev
  libspdlog-dev libfmt-dev libgtest-dev clang nlohmann-json3-dev
  libjpeg-dev libpng-dev libwebp-dev libgif-dev libtiff-dev zlib1g-dev libsqlite3-dev libssl-dev libicu-dev)
# For tests/multihost (hosts of network namespaces, a Slurm of one machine) and for looking at pages in a browser.
# Those tests skip without them.
if [ "${TEST_HOSTS:-0}" = 1 ]; then
  packages+=(chromium fonts-dejavu-core iproute2 slurmctld slurmd slurm-client slurm-wlm-basic-plugins munge libpmix-dev)
fi

if [ "$use_apt" = 1 ] && command -v apt-get >/dev/null; then
  missing=()
  for package in "${packages[@]}"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  if [ "${#missing[@]}" -gt 0 ]; then
    say "installing ${missing[*]}"
    root=()
    if [ "$(id -u)" != 0 ]; then
      command -v sudo >/dev/null || fail "root or sudo is needed for apt-get; or install the packages and give --no-apt"
      root=(sudo)
    fi
    "${root[@]}" apt-get update -qq
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  else
    say "system packages: all there"
  fi
fi

python=${PYTHON:-python3}
stamp=.venv/.clipsweep-requirements
if [ -z "${TORCH_PREFIX:-}" ] || [ "${VENV:-0}" = 1 ]; then
  want=$(sha256sum launch/requirements.txt | cut -d' ' -f1)
  if [ ! -x .venv/bin/python ]; then
    say "making .venv with $($python --version)"
    "$python" -m venv .venv || fail "python -m venv failed; install python3-venv"
  fi
  if [ "$(cat "$stamp" 2>/dev/null)" != "$want" ]; then
    say "installing Python packages (the LibTorch wheel is large: a few minutes)"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -r launch/requirements.txt
    printf '%s' "$want" > "$stamp"
  else
    say ".venv: up to date"
  fi
fi
prefix=${TORCH_PREFIX:-$(.venv/bin/python - <<'PY'
import importlib.util, pathlib
print(pathlib.Path(importlib.util.find_spec("torch").origin).parent / "share" / "cmake")
PY
)}

build=${BUILD_DIR:-build}
say "configuring $build with LibTorch at $prefix"
cmake -S . -B "$build" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" "${cmake_options[@]}" > "$build.configure.log" 2>&1 \
  || { tail -20 "$build.configure.log" >&2; fail "configuring failed; the whole log is $build.configure.log"; }
mv "$build.configure.log" "$build/configure.log"
grep '^-- CUDA part' "$build/configure.log" | sed 's/^-- /setup: /' || true
say "building"
cmake --build "$build" --parallel "${JOBS:-$(nproc)}" > "$build/build.log" 2>&1 \
  || { grep -E 'error|FAILED' "$build/build.log" | head -20 >&2; fail "building failed; the whole log is $build/build.log"; }
say "done: $build/clipsweep ($("$build/clipsweep" --version))"
