# Sourced by launch/run.sh and launch/slurm/experiment.sbatch: whether a job that ended is helped by starting it anew.

# A file of this machine that the ranks on it make when they begin. No such file: none of them ever ran.
started=$(mktemp -d "${TMPDIR:-/tmp}/clipsweep-started-XXXXXXXX")/ran
trap 'rm -rf "${started%/ran}"' EXIT
# Before PROGRAM ARGUMENTS: the rank makes the file, where that folder is, and becomes the program.
marking=(sh -c '(: > "$0") 2>/dev/null; exec "$@"' "$started")

# retry_helps CODE RAN: 0 when another start may help, else 1; `why` says in words how the job ended.
# CODE is what mpirun or srun ended with. RAN is 1 when a rank ran in an earlier try, or when nobody here can know.
retry_helps() {
  case "$1" in
    2) why="wrong usage"; return 1 ;;
    3) why="bad input"; return 1 ;;
    4) why="a regression"; return 1 ;;
    126) why="exit code 126: the program may not be run, or is of another kind of processor"; return 1 ;;
    127) why="exit code 127: the program or one of its libraries was not found"; return 1 ;;
    137) why="a rank or mpirun was killed (out of memory, or a lost host)" ;;
    205) why="a host or its network was lost" ;;
    *) why="exit code $1" ;;
  esac
  if [ "$2" = 1 ] || [ -e "$started" ]; then return 0; fi
  why="exit code $1, and no rank ever ran: see above what its launcher says (of an MPI plugin, an option, a host)"
  return 1
}
