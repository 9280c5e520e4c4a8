#!/bin/sh
# What systemd does on a machine: the engine and sshd, until the container ends.
set -eu
# A container that is not privileged sees these read-only. It may not be privileged: that asks for every capability of the
# machine, and some machines lack one.
mount -o remount,rw /sys
for group in /sys/fs/cgroup /sys/fs/cgroup/*; do
  if mountpoint -q "$group"; then mount -o remount,bind,rw "$group"; fi
done
# cgroup v2 hands controllers down only from a group without processes of its own.
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
  mkdir -p /sys/fs/cgroup/init
  while read -r pid; do echo "$pid" > /sys/fs/cgroup/init/cgroup.procs 2>/dev/null || true; done < /sys/fs/cgroup/cgroup.procs
  sed 's/^/+/; s/ / +/g' /sys/fs/cgroup/cgroup.controllers > /sys/fs/cgroup/cgroup.subtree_control
fi
# After a power cut they name processes that are no more.
rm -rf /run/docker* /run/containerd
dockerd > /var/log/dockerd.log 2>&1 &
exec /usr/sbin/sshd -D -E /var/log/sshd.log
