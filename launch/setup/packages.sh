# Sourced by launch/setup.sh: system packages, from launch/packages.txt.

packages_of() { awk -v group="$1" '$1 == group {print $2}' launch/packages.txt; }

# The package for what CMake calls NAME; nothing where launch/packages.txt does not say.
package_named() {
  awk -v name="$1" '/^#/ {next} {for (i = 3; i <= NF; ++i) if (tolower($i) == tolower(name)) {print $2; exit}}' launch/packages.txt
}

package_of_tool() {
  case "$1" in
    ninja) echo ninja-build ;;
    c++) echo "build-essential: a C++20 compiler" ;;
    mpirun) echo openmpi-bin ;;
    *) echo "$1" ;;
  esac
}

is_installed() {
  local name
  for name in ${1//|/ }; do
    dpkg-query -W -f='${Status}' "$name" 2>/dev/null | grep -q 'ok installed' && return 0
  done
  return 1
}

# Of the names "a|b" the first that apt knows; nothing where it knows none.
known_name() {
  local name
  for name in ${1//|/ }; do
    apt-cache show --no-all-versions "$name" >/dev/null 2>&1 && { echo "$name"; return 0; }
  done
  return 0
}

# Those of the groups that are not installed, on one line.
missing_packages() {
  local group package
  for group in "$@"; do
    for package in $(packages_of "$group"); do
      is_installed "$package" || printf '%s ' "$package"
    done
  done
}

install_packages() {  # groups
  command -v apt-get >/dev/null || { say "no apt-get here: what launch/packages.txt lists must be there already"; return 0; }
  local missing name wanted=() unknown=() root=() log=$build/apt.log package why
  read -ra missing <<< "$(missing_packages "$@")"
  [ "${#missing[@]}" -gt 0 ] || { say "system packages: all there"; return 0; }
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || fail "root or sudo is needed to install ${missing[*]}; or have them installed and give --no-apt"
    root=(sudo)
  fi
  : > "$log"
  apt_run() { "${root[@]}" env DEBIAN_FRONTEND=noninteractive "$@" </dev/null >>"$log" 2>&1; }
  # An installation that was cut off leaves packages half configured.
  [ -z "$(dpkg --audit 2>/dev/null)" ] || apt_run dpkg --configure -a || true
  apt_run apt-get update -o APT::Update::Error-Mode=any -o DPkg::Lock::Timeout=600 \
    || say "apt-get update did not reach every source ($log); going on with the package lists that are there"
  for package in "${missing[@]}"; do
    name=$(known_name "$package")
    if [ -n "$name" ]; then wanted+=("$name"); else unknown+=("$package"); fi
  done
  for package in "${unknown[@]}"; do
    if packages_of build | grep -qxF "$package"; then
      fail "apt knows no package $package: no network, or another distribution ($log, docs/cluster.md); then give $again again"
    fi
    say "apt knows no package $package: tests that want it skip"
  done
  [ "${#wanted[@]}" -gt 0 ] || return 0
  say "installing ${wanted[*]}"
  apt_run apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=600 "${wanted[@]}" && return 0
  if grep -q 'No space left on device\|enough free space' "$log"; then
    fail "the disk is full: the system packages do not fit (apt's log is $log); make room, then give $again again"
  fi
  name=$(grep -m1 -oP '^E: (Failed to fetch|Unable to locate package) \K\S+' "$log") || true
  why=$(grep -m1 '^E: ' "$log" | cut -c4-200) || true
  fail "${name:-system packages} could not be installed: $why; what was fetched is kept (apt's log is $log); give $again again"
}
