# Sourced by launch/setup.sh: configuring and building. All they write is in the build folder.

check_writable() {  # the build folder
  local why
  why=$( { mkdir -p "$1" && echo x > "$1/.writable" && rm "$1/.writable"; } 2>&1 ) && return 0
  rm -f "$1/.writable" 2>/dev/null || true
  fail "$1 cannot be written: ${why##*: }; make room or choose another folder with BUILD_DIR, then give $again again"
}

# Whether the disk of a folder is why a log ends in errors; compilers do not always say so.
is_disk_full() {  # folder, log
  grep -q 'No space left on device' "$2" 2>/dev/null || [ "$(df -Pk "$1" | awk 'NR == 2 {print $4}')" -lt 1024 ]
}

# One line from CMake's log: what is missing, and the package that has it.
configure_failure() {  # the log
  local error name package
  error=$(sed -n '/^CMake Error/,$p' "$1" | tr -s ' \n' ' ')
  name=$(grep -oP '(Could NOT find |Failed to find all (?=\w+ components)|file provided by "|No (?=\w+_COMPILER could be found)|build program corresponding to ")\K\w+' <<< "$error" | head -1) || true
  if [ -z "$name" ]; then
    echo "${error:0:250}"
    return
  fi
  package=$(package_named "$name")
  echo "$name is missing${package:+ (on Debian and Ubuntu: $package)}"
}

configure() {  # build folder, LibTorch's prefix, 1 for tests, CMake options
  local build=$1 prefix=$2 tests=$3 log=$1/configure.log missing
  shift 3
  local options=(-DCLIPSWEEP_TESTS=ON)
  # A build folder that has the tests keeps them: its targets are only not built.
  if [ "$tests" = 0 ] && ! grep -qs '^CLIPSWEEP_TESTS:BOOL=ON' "$build/CMakeCache.txt"; then options=(-DCLIPSWEEP_TESTS=OFF); fi
  say "configuring $build with LibTorch at $prefix"
  if ! cmake -S . -B "$build" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" "${options[@]}" "$@" > "$log" 2>&1; then
    ! is_disk_full "$build" "$log" || fail "the disk of $build is full; make room or choose another with BUILD_DIR, then give $again again"
    missing=""
    ! command -v dpkg-query >/dev/null || missing=$(missing_packages build)
    fail "configuring failed: $(configure_failure "$log")${missing:+; packages that are not installed: ${missing% }}; the whole log is $log"
  fi
  sed -n 's/^-- \(CUDA part.*\|.*: left out.*\)/setup: \1/p' "$log"
}

# As many compilers as there are cores, and 1.5 GB of memory for each.
default_jobs() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/^MemAvailable:/ {print int($2 / 1500000)}' /proc/meminfo 2>/dev/null) || true
  [ "${memory:-$cores}" -lt "$cores" ] && cores=$memory
  [ "$cores" -ge 1 ] || cores=1
  echo "$cores"
}

show_steps() {  # On a terminal the steps count up on one line.
  local line
  while IFS= read -r line; do
    [[ $line =~ ^\[([0-9]+/[0-9]+)\] ]] && printf '\rbuilding, step %s ' "${BASH_REMATCH[1]}"
  done
  printf '\n'
}

build_target() {  # build folder, target
  local log=$1/build.log command status=0
  command=(cmake --build "$1" --target "$2" --parallel "${JOBS:-$(default_jobs)}")
  if [ -t 1 ]; then
    { "${command[@]}" 2>&1 || echo "$?" > "$1/.build-failed"; } | tee "$log" | show_steps
    if [ -e "$1/.build-failed" ]; then status=1; rm "$1/.build-failed"; fi
  else
    "${command[@]}" > "$log" 2>&1 || status=$?
  fi
  [ "$status" != 0 ] || return 0
  if is_disk_full "$1" "$log"; then
    fail "the disk of $1 is full; what is built is kept: make room, then give $again again"
  elif grep -qE 'Killed|out of memory|virtual memory exhausted' "$log"; then
    fail "the compiler was killed, memory is short; what is built is kept: give JOBS=1 $again"
  fi
  grep -E 'error|FAILED' "$log" | head -20 >&2 || true
  fail "building failed; the whole log is $log"
}
