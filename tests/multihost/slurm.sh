#!/bin/bash
# One-machine Slurm (munged, slurmctld, slurmd) without systemd, as the calling user, inside DIR and on 127.0.0.1.
#   eval "$(slurm.sh up DIR)"     slurm.sh down DIR
# Needs Debian's slurmctld slurmd slurm-client slurm-wlm-basic-plugins munge, and libpmix-dev, whose unversioned
# libpmix.so the pmix plugin opens. A failure is one line on stderr.
set -u
export PATH=$PATH:/usr/sbin:/sbin
dir=${2:?give a folder}
fail() { echo "slurm.sh: $*" >&2; "$0" down "$dir" > /dev/null 2>&1; exit 1; }
# A live process of that name: pid 1 of a container may reap the dead late.
runs() { grep -qs "^Name:.$2\$" "/proc/$1/status" && ! grep -qs '^State:.Z' "/proc/$1/status"; }

up() {
  local program port node state error
  unset "${!SLURM@}" "${!SBATCH@}" "${!PMIX_@}" "${!OMPI_@}"
  for program in munged mungekey slurmctld slurmd sbatch srun; do
    command -v "$program" > /dev/null || fail "$program is not installed"
  done
  compgen -G "/usr/lib/*/pmix2/lib/libpmix.so" > /dev/null || fail "libpmix-dev is not installed"
  [ ${#dir} -le 70 ] || fail "$dir: longer than the 70 characters that socket names leave"
  port=$((20000 + $$ % 5000 * 2)) node=$(hostname -s)
  mkdir -p "$dir/state" "$dir/spool" "$dir/tmp" || fail "$dir cannot be made"
  : > "$dir/plugstack.conf"
  cat > "$dir/slurm.conf" <<CONF
ClusterName=clipsweep$port
SlurmctldHost=$node(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$dir/munge.sock,cred_expire=10
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
TmpFS=$dir/tmp
MpiDefault=none
PlugStackConfig=$dir/plugstack.conf
ReturnToService=2
KillWait=5
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0
NodeName=$node NodeAddr=127.0.0.1 CPUs=4 State=UNKNOWN
PartitionName=main Nodes=$node Default=YES MaxTime=INFINITE State=UP
CONF
  export SLURM_CONF=$dir/slurm.conf
  mungekey --create --keyfile="$dir/munge.key" 2> /dev/null || fail "mungekey failed"
  error=$(munged --force --socket="$dir/munge.sock" --key-file="$dir/munge.key" --pid-file="$dir/munged.pid" \
    --seed-file="$dir/munge.seed" --log-file="$dir/munged.log" --num-threads=2 2>&1 > /dev/null < /dev/null) || fail "munged: $error"
  slurmctld -c -f "$SLURM_CONF" < /dev/null > "$dir/ctld.out" 2>&1 || fail "slurmctld: $(tail -1 "$dir/ctld.out")"
  slurmd -c -N "$node" -f "$SLURM_CONF" < /dev/null > "$dir/slurmd.out" 2>&1 || fail "slurmd: $(tail -1 "$dir/slurmd.out")"
  for _ in $(seq 100); do
    state=$(timeout 5 sinfo -h -o %T 2> /dev/null)
    [ "$state" = idle ] && break
    sleep 0.2
  done
  [ "$state" = idle ] || fail "the node is '${state:-unknown}', not idle"
  # Ranks of one host: shared memory; nothing listens on other addresses.
  echo "export SLURM_CONF='$SLURM_CONF' OMPI_MCA_btl=self,vader OMPI_MCA_oob_tcp_if_include=lo"
}

down() {
  local name pid
  [ -s "$dir/slurm.conf" ] || exit 0
  export SLURM_CONF=$dir/slurm.conf
  timeout 10 scancel --user="$(id -un)" > /dev/null 2>&1
  sleep 1
  for name in slurmd slurmctld munged; do
    pid=$(cat "$dir/$name.pid" 2> /dev/null) || continue
    runs "$pid" "$name" || continue
    kill "$pid"
    for _ in $(seq 50); do runs "$pid" "$name" || break; sleep 0.1; done
    runs "$pid" "$name" && kill -9 "$pid"
  done
  exit 0
}

case $1 in
  up) up ;;
  down) down ;;
  *) echo "slurm.sh: '$1' is not one of up, down" >&2; exit 2 ;;
esac
