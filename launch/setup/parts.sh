# Sourced by launch/test.sh, launch/sanitize.sh and .ci/run: parts of a long run, and a table of what each took.
# CLIPSWEEP_PARTS names the file that they share; who makes it prints it.

parts_begin() {
  [ -z "${CLIPSWEEP_PARTS:-}" ] || return 0
  CLIPSWEEP_PARTS=$(mktemp)
  export CLIPSWEEP_PARTS
  trap parts_table EXIT
}

# Runs a command as a part and gives its exit code on.
part() {  # name, command
  local name=$1 began=$SECONDS status=0
  shift
  "$@" || status=$?
  printf '%d\t%s\t%s\n' "$((SECONDS - began))" "$([ "$status" = 0 ] && echo ok || echo FAILED)" "$name" >> "$CLIPSWEEP_PARTS"
  return "$status"
}

parts_table() {
  [ -s "$CLIPSWEEP_PARTS" ] && awk -F '\t' 'BEGIN {print "\nseconds  result  part"}
    {printf "%7d  %-6s  %s\n", $1, $2, $3; all += $1} END {printf "%7d          all\n", all}' "$CLIPSWEEP_PARTS"
  rm -f "$CLIPSWEEP_PARTS"
}
