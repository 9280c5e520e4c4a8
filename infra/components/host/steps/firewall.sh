# What comes in: SSH and the named ports. A table of our own, so that Docker's rules stay; ports that containers publish
# do not pass here at all (they are forwarded), which is why only the edge publishes any, on its own address.
install nftables
# The ports that sshd listens on are among them, whatever the config says: nobody locks himself out.
# (OpenSSH writes "port 22" up to 10.5, and "Port 22" from then on.)
listening=$(sshd -T 2>/dev/null | awk 'tolower($1) == "port" { print $2 }')
if [ -z "$listening" ] && command -v sshd >/dev/null; then
  fail "sshd -T does not say which ports sshd listens on; rules without them could lock everybody out"
fi
# shellcheck disable=SC2086
ports=$(printf '%s\n' $SSH_PORT $listening $OPEN_PORTS | sort -nu | paste -sd, | sed 's/,/, /g')
# What the nodes of a swarm say to one another: who is in it (2377, 7946), and what their overlays carry (4789, in ESP where
# that is encrypted). From anybody else it would be a way into the networks of the containers.
swarm=
for node in ${HOST_NODES:-}; do
  case $node in *:*) from="ip6 saddr $node" ;; *) from="ip saddr $node" ;; esac
  swarm="$swarm
    $from tcp dport { 2377, 7946 } accept
    $from udp dport { 4789, 7946 } accept
    $from meta l4proto esp accept"
done
rules=$(mktemp)
cat > "$rules" <<CONF
table inet omniai
delete table inet omniai
table inet omniai {
  chain input {
    type filter hook input priority filter; policy drop;
    ct state established,related accept
    ct state invalid drop
    iifname "lo" accept
    # Containers reach the host's own services through their bridges.
    iifname "docker0" accept
    iifname "br-*" accept
    meta l4proto { icmp, ipv6-icmp } accept
    # DHCPv6: asked of a group and answered by a server's own address, so the answer belongs to nothing that was seen to
    # leave. Without it the machine loses its IPv6 address when the lease ends.
    ip6 saddr fe80::/10 ip6 daddr fe80::/10 udp dport 546 accept
    tcp dport { $ports } accept$swarm
  }
}
CONF
# Checked before it is there: the machine loads the file at its next start, and a rule set that does not load protects nobody.
LOADS=yes
if ! message=$(nft -c -f "$rules" 2>&1); then
  case $message in
  *"not permitted"* | *"not supported"*)
    LOADS=no
    echo "left out: this machine lets nobody set rules: $message" | head -1
    ;;
  *)
    rm "$rules"
    fail "nft refuses the rules, and those that were there stay: $message"
    ;;
  esac
fi
if put /etc/nftables.d/omniai.nft 644 < "$rules"; then FRESH=yes; else FRESH=no; fi
rm "$rules"
put /etc/systemd/system/omniai-firewall.service 644 <<'CONF' || true
[Unit]
Description=The host's firewall, written by the stack's program
Wants=network-pre.target
Before=network-pre.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f /etc/nftables.d/omniai.nft
ExecReload=/usr/sbin/nft -f /etc/nftables.d/omniai.nft
[Install]
WantedBy=multi-user.target
CONF
if [ "$LOADS" = yes ] && { [ "$FRESH" = yes ] || ! nft list table inet omniai >/dev/null 2>&1; }; then
  nft -f /etc/nftables.d/omniai.nft
  changed "loaded the rules: open are $ports"
fi
if has_systemd; then systemctl daemon-reload; fi
enable_unit omniai-firewall.service
