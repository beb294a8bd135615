#!/usr/bin/env bash
# Runs a clipsweep command under mpirun with sane defaults and starts a job that failed anew; what is on
# disk is kept and taken up.
#
#   launch/run.sh [-n RANKS] [--hosts FILE] [--restarts N] [--allow-root] [--network-timeout SECONDS]
#                 [--verbose] [--dry-run] -- COMMAND [options]
#
#   -n RANKS            ranks altogether; default: one a GPU of this machine, else one
#   --hosts FILE        Open MPI hostfile: lines of "HOST slots=RANKS"
#   --restarts N        start a failed job anew up to N times, after 2, 4, 8 .. seconds; default 3
#   --allow-root        let ranks run as root; Open MPI refuses unless asked
#   --network-timeout S mpirun gives a host up that has not answered for about S seconds; default 120
#   --verbose           all that mpirun itself says
#   --dry-run           print the mpirun command and leave
#
# Each rank of this machine gets cores of its own, as many as go round; more ranks than cores are refused.
# Not started anew: wrong usage (exit code 2), bad input (3), a regression (4), a program that cannot be run (126, 127),
# a job of this machine of which no rank ever ran, a job stopped by Ctrl-C or SIGTERM. sweep and finetune get --resume when they are started anew; what has --fresh begins at its beginning.
# Environment: CLIPSWEEP (the program), MPIRUN_OPTIONS (further options of mpirun).
set -uo pipefail

say() { printf 'run: %s\n' "$*" >&2; }
usage() { say "$*; see launch/run.sh --help"; exit 2; }
number() { [[ $2 =~ ^(0|[1-9][0-9]{0,8})$ ]] && [ "$2" -ge "$3" ] || usage "$1: '$2' is not a number from $3"; }

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ranks="" hosts="" restarts=3 allow_root=0 network_timeout=120 quiet=(-q) dry_run=0
while [ $# -gt 0 ]; do
  case "$1" in
    -n) ranks=${2:?-n: give the number of ranks}; shift 2 ;;
    --hosts) hosts=${2:?--hosts: give a hostfile}; shift 2 ;;
    --restarts) restarts=${2:?--restarts: give a number}; shift 2 ;;
    --network-timeout) network_timeout=${2:?--network-timeout: give seconds}; shift 2 ;;
    --allow-root) allow_root=1; shift ;;
    --verbose) quiet=(); shift ;;
    --dry-run) dry_run=1; shift ;;
    -h|--help) sed -n '2,23s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    --) shift; break ;;
    *) usage "'$1' is not an option (the command comes after --)" ;;
  esac
done
[ $# -gt 0 ] || usage "no command"
if [ -z "$ranks" ]; then
  ranks=$(nvidia-smi -L 2>/dev/null | grep -c '^GPU') || true
  [ "${ranks:-0}" -ge 1 ] || ranks=1
fi
number -n "$ranks" 1
number --restarts "$restarts" 0
number --network-timeout "$network_timeout" 4
[ -z "$hosts" ] || [ -f "$hosts" ] || usage "--hosts: $hosts does not exist"
command -v mpirun >/dev/null || { say "mpirun is not installed; run launch/setup.sh"; exit 2; }

program=${CLIPSWEEP:-}
if [ -z "$program" ]; then
  for candidate in "$here/../build/clipsweep" "$here/../../../bin/clipsweep" "$(command -v clipsweep)"; do
    [ -x "$candidate" ] && { program=$candidate; break; }
  done
fi
[ -x "$program" ] || { say "${program:-clipsweep}: is not there, or may not be run; run launch/setup.sh, or set CLIPSWEEP"; exit 2; }

unset OMPI_MCA_rmaps_base_oversubscribe  # mpirun refuses to be told both ways
options=("${quiet[@]}" -np "$ranks" --nooversubscribe
  --mca oob_tcp_keepalive_time $((network_timeout / 2)) --mca oob_tcp_keepalive_intvl $(((network_timeout + 7) / 8))
  --mca oob_tcp_keepalive_probes 4)
if [ "$(id -u)" = 0 ]; then
  [ "$allow_root" = 1 ] || usage "you are root: give --allow-root, or run as an ordinary user"
  options+=(--allow-run-as-root)
fi
cores=$(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc)
threads_a_core=$(LC_ALL=C lscpu 2>/dev/null | sed -n 's/^Thread(s) per core: *//p')
cores=$((cores / ${threads_a_core:-1}))  # mpirun counts cores, nproc hardware threads
[ "$cores" -ge 1 ] || cores=1
if [ -n "$hosts" ]; then
  options+=(--hostfile "$hosts" --bind-to none)  # hosts may differ: ranks divide the cores themselves
elif [ "$ranks" -gt "$cores" ]; then
  say "-n $ranks: this machine has $cores cores; give fewer ranks, or --hosts"
  exit 2
else
  options+=(--host "localhost:$cores" --map-by "slot:PE=$((cores / ranks))" --bind-to core)
fi
read -ra further <<< "${MPIRUN_OPTIONS:-}"
options+=("${further[@]}")
if [ "$dry_run" = 1 ]; then
  printf '%q ' mpirun "${options[@]}" "$program" "$@"
  echo
  exit 0
fi

. "$here/retry.sh"
ran=0
case "${hosts:+host} ${MPIRUN_OPTIONS:-}" in *host*) ran=1 ;; esac  # ranks of other machines leave no mark here

# What a started-anew job is: the sweep and the training ask for it before they take up what is there.
again=("$@")
case " $* " in
  *" --resume "*|*" --fresh "*) ;;
  " sweep "*|" finetune "*) again+=(--resume) ;;
esac

stopped=0
job=""
stop() { stopped=1; [ -z "$job" ] || kill -TERM "$job" 2>/dev/null; }
trap stop INT TERM

words=("$@")
for ((attempt = 0; ; ++attempt)); do
  mpirun "${options[@]}" "${marking[@]}" "$program" "${words[@]}" < /dev/null &
  job=$!
  wait "$job"; code=$?
  while kill -0 "$job" 2>/dev/null; do wait "$job"; code=$?; done  # the trap ended the first wait
  [ "$code" != 0 ] || exit 0
  if [ "$stopped" = 1 ] || [ "$code" = 130 ] || [ "$code" = 143 ]; then
    say "stopped; the same command goes on from what is on disk"
    exit 143
  fi
  if ! retry_helps "$code" "$ran"; then
    case "$code" in 2|3|4) ;; *) say "failed: $why; not started again" ;; esac
    exit "$code"
  fi
  ran=1
  if [ "$attempt" -ge "$restarts" ]; then
    say "failed: $why; given up after $attempt restarts (--verbose shows what mpirun says)"
    exit "$code"
  fi
  pause=$((attempt < 7 ? 2 << attempt : 300))
  say "failed: $why; restart $((attempt + 1)) of $restarts in $pause s"
  sleep "$pause" &
  wait $!
  [ "$stopped" = 1 ] && { say "stopped; the same command goes on from what is on disk"; exit 143; }
  words=("${again[@]}")
done
