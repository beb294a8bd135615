# Sourced by launch/test.sh: what the source tree holds, to see that nothing was written outside build folders.

# Why it cannot be said; nothing where it can.
tree_unknown() {
  command -v git >/dev/null || { echo "git is not installed"; return; }
  [ "$(git rev-parse --show-cdup 2>/dev/null || echo none)" = "" ] || echo "the folder is no git checkout of its own"
}

# One line a file that is not as committed, new files and ignored ones too, but for build folders and .venv.
tree_state() {  # the build folder
  local file
  git status --porcelain --untracked-files=all --ignored=matching | grep -vE '^(!!|\?\?) "?(build|build-[^/]*|\.venv)/' \
    | grep -vF -e " ${1%/}/" -e "\"${1%/}/" || true
  git diff --name-only HEAD | while IFS= read -r file; do
    if [ -f "$file" ]; then printf 'content %s\n' "$(sha256sum "$file")"; fi
  done
}

# Compares two states; names what is new or changed and fails.
tree_compare() {  # before, after
  local changed
  changed=$(diff <(sort <<< "$1") <(sort <<< "$2") | sed -n 's/^[<>] \(content [0-9a-f]*  \|.. \)\(.*\)/\2/p' | sort -u) || true
  [ -n "$changed" ] || return 0
  printf 'test: written outside the build folders: %s\n' "$(tr '\n' ' ' <<< "$changed")" >&2
  return 1
}
