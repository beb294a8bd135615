#!/bin/bash
# "Hosts" on one machine: network namespaces on a bridge in a namespace of its own. Needs root.
#   hosts.sh up N DIR   cs1 .. csN at 10.77.0.11 ..; writes into DIR: hostfile, hosts, agent (plm_rsh_agent), enter
#   hosts.sh cut HOST | mend HOST    its link down, up
#   hosts.sh down
set -eu
case "$1" in
  up)
    count=$2 dir=$3
    ip netns add csw
    ip -n csw link add br0 type bridge
    ip -n csw link set br0 up
    echo "127.0.0.1 localhost" > "$dir/hosts"
    : > "$dir/hostfile"
    for i in $(seq "$count"); do
      host=cs$i
      ip netns add "$host"
      ip -n csw link add "v$host" type veth peer name eth0 netns "$host"
      ip -n csw link set "v$host" master br0 up
      ip -n "$host" link set lo up
      ip -n "$host" addr add "10.77.0.1$i/24" dev eth0
      ip -n "$host" link set eth0 up
      echo "10.77.0.1$i $host" >> "$dir/hosts"
      echo "$host slots=1" >> "$dir/hostfile"
    done
    # A host name and an /etc/hosts of its own. mpirun hands the agent one string for a shell.
    for script in "agent:exec sh -c \"\$*\"" "enter:exec \"\$@\""; do
      cat > "$dir/${script%%:*}" <<AGENT
#!/bin/sh
host=\$1; shift
exec ip netns exec "\$host" unshare --uts --mount sh -c 'hostname "\$1"; shift
  mount --bind "$dir/hosts" /etc/hosts; ${script#*:}' sh "\$host" "\$@"
AGENT
      chmod +x "$dir/${script%%:*}"
    done
    ;;
  cut) ip -n csw link set "v$2" down ;;
  mend) ip -n csw link set "v$2" up ;;
  down)
    for host in $(ip netns list | awk '$1 ~ /^cs[0-9w]+$/ {print $1}'); do
      ip netns pids "$host" | xargs -r kill -9
      ip netns del "$host"
    done
    ;;
  *) echo "hosts.sh: '$1' is not one of up, cut, mend, down" >&2; exit 2 ;;
esac
