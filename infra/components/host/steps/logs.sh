# Logs end before the disk does: the engine's by default for every container, the journal's by size.
install jq logrotate
limits='{"log-driver":"json-file","log-opts":{"max-size":"10m","max-file":"3"}}'
current=$(cat /etc/docker/daemon.json 2>/dev/null || echo '{}')
driver=$(printf '%s' "$current" | jq -r '."log-driver" // "json-file"')
# What somebody else has set there stays. Another driver stays whole: the engine does not start with options that its
# driver does not know, and no container starts with ours on that one.
if [ "$driver" != json-file ]; then
  limits='{}'
  echo "left out: the engine logs by $driver here; its limits are yours to set"
fi
# Visitors that come by IPv6 keep their addresses where the engine translates IPv6. Before 27 it does so only as an experiment.
translate='{}'
if [ "${HOST_IPV6:-no}" = yes ] && [ "$(dockerd --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')" -lt 27 ]; then
  translate='{"experimental": true, "ip6tables": true}'
fi
# An engine with live-restore is in no swarm. The tasks of a swarm cannot be told to get no new privileges; its engines can.
more='. * {"live-restore": true}'
if [ -n "${HOST_IS_NODE:-}" ]; then more='del(."live-restore") * {"no-new-privileges": true}'; fi
wanted=$(printf '%s' "$current" | jq --argjson limits "$limits" --argjson translate "$translate" ". * \$limits * \$translate | $more")
if printf '%s\n' "$wanted" | put /etc/docker/daemon.json 644; then
  if ! has_systemd; then
    echo "left out: there is no systemd here to tell the engine"
  elif [ -z "$(docker ps -q 2>/dev/null)" ]; then
    systemctl restart docker
  else
    # live-restore is taken over without a restart, so that the next one stops no container.
    systemctl reload docker
    if [ -n "${HOST_IS_NODE:-}" ]; then
      echo "the engine takes its settings at its next restart, which ends every task on this node: drain it first, then systemctl restart docker"
    else
      echo "the engine takes the log limits at its next restart; the stack's containers carry their own"
      if [ "$translate" != '{}' ]; then echo "it translates IPv6 from its next restart on: systemctl restart docker"; fi
    fi
  fi
fi
# A Docker with an IPv6 network has the kernel forward, and one that forwards takes routes from routers' advertisements only where
# accept_ra is 2: with 1 the machine would lose its own way out (https://github.com/moby/moby/issues/43466). Where it is 0,
# something else than the kernel reads them.
if [ "${HOST_IPV6:-no}" = yes ]; then
  install iproute2 procps
  devices=$({ ip -6 route show default; ip -4 route show default; } | sed -n 's/.* dev \([^ ]*\).*/\1/p' | sort -u)
  routers=$(for device in $devices; do
    case $(sysctl -n "net/ipv6/conf/$device/accept_ra" 2>/dev/null) in
    1 | 2) echo "net/ipv6/conf/$device/accept_ra = 2" ;;
    esac
  done)
  if [ -n "$routers" ] && printf '%s\n' "$routers" | put /etc/sysctl.d/50-omniai.conf 644; then
    sysctl -q -p /etc/sysctl.d/50-omniai.conf
  fi
fi
if put /etc/systemd/journald.conf.d/50-omniai.conf 644 <<'CONF'
[Journal]
SystemMaxUse=500M
MaxRetentionSec=1month
CONF
then has_systemd && systemctl restart systemd-journald || echo "left out: there is no systemd here, so no journal"; fi
