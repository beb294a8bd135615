# Sourced by launch/setup.sh: .venv and what is installed in it, in sets.

# The CUDA part is built where nvcc is, and run where a GPU is; both need torch's CUDA libraries.
wants_cuda() {  # CMake options
  case " $* " in *" -DCLIPSWEEP_CUDA=OFF "*|*" -DCLIPSWEEP_CUDA:BOOL=OFF "*) return 1 ;; esac
  [ -e /dev/nvidiactl ] || [ -e /proc/driver/nvidia/version ] || command -v nvcc >/dev/null || [ -x /usr/local/cuda/bin/nvcc ]
}

requirements_of() { case "$1" in libtorch) echo launch/requirements.txt ;; *) echo "launch/requirements-$1.txt" ;; esac; }

# What a requirements file and those that it names ask for.
expanded() {
  local line
  while IFS= read -r line; do
    case "$line" in "#"*|"") ;; "-r "*) expanded "launch/${line#-r }" ;; *) printf '%s\n' "$line" ;; esac
  done < "$1"
}

fingerprint() { expanded "$(requirements_of "$1")" | sha256sum | cut -d' ' -f1; }

stamp_of() { echo ".venv/.clipsweep-$1"; }

is_set_installed() {
  [ "$(cat "$(stamp_of "$1")" 2>/dev/null)" = "$(fingerprint "$1")" ] || { [ "$1" = libtorch ] && is_set_installed torch; }
}

make_venv() {
  # Without pip: python3-venv was missing, or the run that made it was cut off.
  if [ -x .venv/bin/python ] && .venv/bin/python -c 'import pip' 2>/dev/null; then
    forget_half_installed
    return 0
  fi
  local python=${PYTHON:-python3}
  command -v "$python" >/dev/null || fail "$python is not installed (python3); install it, or set PYTHON"
  "$python" -c 'import ensurepip, venv' 2>/dev/null || fail "$python has no venv module (on Debian: python3-venv); install it, then give $again again"
  say "making .venv with $("$python" --version)"
  "$python" -m venv --clear .venv 2>"$build/venv.log" \
    || fail "making .venv failed: $(tail -1 "$build/venv.log"); give $again again (the whole log is $build/venv.log)"
}

# pip takes a package for installed once its METADATA is there; RECORD comes last.
forget_half_installed() {
  local folder
  for folder in .venv/lib/python*/site-packages/*.dist-info; do
    [ ! -d "$folder" ] || [ -e "$folder/RECORD" ] || rm -rf "$folder"
  done
}

pip_resumes() {  # a broken download, as pip does since 25.1
  .venv/bin/python -c 'import pip, sys; sys.exit(tuple(map(int, pip.__version__.split(".")[:2])) < (25, 1))'
}

# Runs pip; what it says is kept in build/pip.log. On a terminal it shows its progress.
pip_install() {
  local options=(--disable-pip-version-check --no-warn-conflicts --log "$build/pip.log") quiet=(--quiet --progress-bar off)
  ! pip_resumes || options+=(--resume-retries 10)
  rm -f "$build/pip.log"
  if [ -t 1 ]; then quiet=(); fi
  if [ -t 2 ]; then
    .venv/bin/python -m pip install "${quiet[@]}" "${options[@]}" "$@"
  else
    .venv/bin/python -m pip install "${quiet[@]}" "${options[@]}" "$@" 2>/dev/null
  fi
}

# One line from pip's log: what could not be had, and why.
pip_failure() {
  local log=$build/pip.log what why
  if grep -q 'No space left on device' "$log" 2>/dev/null; then
    why=$(grep -oP -m1 "No space left on device: '\K[^']+" "$log") || true
    echo "no room left on the disk of ${why:-.venv, of ${TMPDIR:-/tmp} or of the cache of pip}"
    return
  fi
  what=$(grep -oP '(No matching distribution found for \K\S+|Downloading \K\S+\.whl|Collecting \K\S+)' "$log" 2>/dev/null | tail -1) || true
  what=${what##*/}
  why=$(grep -oP '(ERROR: |error: |× )\K.*' "$log" 2>/dev/null | head -1 | cut -c1-160) || true
  grep -q 'NewConnectionError\|NameResolutionError\|Failed to establish' "$log" 2>/dev/null && why="the package index is not reached"
  grep -q 'incomplete-download\|IncompleteRead\|ProtocolError\|Read timed out\|whl is invalid\|DO NOT MATCH THE HASHES' "$log" 2>/dev/null && why="the connection broke, what came is not whole"
  echo "${what:-Python packages} could not be downloaded: ${why:-pip failed}"
}

# The libraries that LibTorch's CPU part is linked with are named in requirements.txt; a wheel of another platform may want more.
complete_libtorch() {
  local lib
  lib=$(torch_prefix)/../../lib/libtorch_cpu.so
  ! LC_ALL=C ldd "$lib" 2>/dev/null | grep -q 'not found' || { say "this LibTorch wants the CUDA libraries too"; install_set torch; }
}

install_set() {  # a set's name
  local set=$1 file options=() what
  file=$(requirements_of "$set")
  case "$set" in
    libtorch) what="LibTorch without CUDA"; options=(--no-deps) ;;
    torch) what="LibTorch with CUDA" ;;
    *) what="Python packages for the $set" ;;
  esac
  say "downloading $what: $(sed -n '1s/^# About \(.*\)\.$/about \1/p' "$file"), less what is there"
  pip_install "${options[@]}" -r "$file" \
    || fail "$(pip_failure); nothing is lost, what came whole is kept: give $again again (pip's log is $build/pip.log)"
  [ "$set" != libtorch ] || complete_libtorch
  fingerprint "$set" > "$(stamp_of "$set")"
  # The larger set holds the smaller one.
  if [ "$set" = scripts ] || [ "$set" = tests ]; then fingerprint torch > "$(stamp_of torch)"; fi
  if [ "$set" = tests ]; then
    fingerprint demo > "$(stamp_of demo)"
    fingerprint scripts > "$(stamp_of scripts)"
  fi
}

install_python() {  # sets; the largest first, since it holds the others
  make_venv
  local set missing=() i
  for ((i = $#; i > 0; --i)); do
    set=${!i}
    is_set_installed "$set" || missing+=("$set")
  done
  [ "${#missing[@]}" -gt 0 ] || { say ".venv: up to date"; return 0; }
  # pip before 25.1 gives a broken download up; it still serves where the newer one cannot be had.
  pip_resumes || pip_install 'pip>=25.1' || say "pip stays at $(.venv/bin/python -c 'import pip; print(pip.__version__)'): no newer one was reached"
  for set in "${missing[@]}"; do
    is_set_installed "$set" && continue  # as part of a larger one
    install_set "$set"
  done
}

torch_prefix() {
  .venv/bin/python - <<'PY'
import importlib.util, pathlib
print(pathlib.Path(importlib.util.find_spec("torch").origin).parent / "share" / "cmake")
PY
}
