#!/bin/sh
# Installs a slim Debian into an empty folder, with the content of debian:trixie-slim: minbase, no documentation, no
# locales. It needs root and debootstrap. Usage: build-rootfs.sh SUITE TARGET [MIRROR [SECURITY_MIRROR]]
set -eu

suite=$1
target=$2
mirror=${3:-}
security=${4:-}

# A debootstrap that is older than the suite has no script for it. The script for unstable fits every newer suite.
script=
if [ ! -e "/usr/share/debootstrap/scripts/$suite" ]; then
  script=/usr/share/debootstrap/scripts/sid
fi

# Signatures are always checked, which takes Debian's keyring.
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
if [ ! -e "$keyring" ]; then
  echo "Debian's keyring $keyring is missing: install the package debian-archive-keyring." >&2
  exit 1
fi

# debootstrap's arguments are positional: it uses its default mirror only when both mirror and script are left out.
if [ -n "$mirror" ]; then
  debootstrap --keyring="$keyring" --variant=minbase --include=ca-certificates "$suite" "$target" "$mirror" ${script:+"$script"}
elif [ -z "$script" ]; then
  debootstrap --keyring="$keyring" --variant=minbase --include=ca-certificates "$suite" "$target"
else
  echo "This debootstrap does not know $suite, and the configuration of apt names no Debian mirror. Install a newer debootstrap, or add a Debian mirror to /etc/apt/sources.list." >&2
  exit 1
fi

if [ -n "$mirror" ]; then
  echo "deb $mirror $suite-updates main" >>"$target/etc/apt/sources.list"
fi
if [ -n "$security" ]; then
  echo "deb $security $suite-security main" >>"$target/etc/apt/sources.list"
fi

# This machine may trust more authorities than Debian's own list has, for example the one of a proxy. Its containers
# need them too: for package registries while an image is built, and for other services while it runs.
trusted=/usr/local/share/ca-certificates
if [ -n "$(find "$trusted" -name '*.crt' 2>/dev/null)" ]; then
  cp -R "$trusted/." "$target$trusted/"
  chroot "$target" update-ca-certificates >/dev/null
fi

# Packages that the images install later leave out the same files.
cat >"$target/etc/dpkg/dpkg.cfg.d/slim" <<'CONF'
path-exclude=/usr/share/doc/*
path-include=/usr/share/doc/*/copyright
path-exclude=/usr/share/man/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
CONF
# apt tries again when a mirror stops answering. Its default timeout is minutes.
cat >"$target/etc/apt/apt.conf.d/slim" <<'CONF'
Acquire::Languages "none";
Acquire::http::Timeout "20";
Acquire::Retries "3";
CONF

# A container has no init system, so no package may start its service while an image is built.
printf '#!/bin/sh\nexit 101\n' >"$target/usr/sbin/policy-rc.d"
chmod 755 "$target/usr/sbin/policy-rc.d"

find "$target/usr/share/doc" -type f ! -name copyright -delete
rm -rf "$target"/usr/share/man/* "$target"/usr/share/info/* "$target"/usr/share/locale/*
rm -rf "$target"/var/lib/apt/lists/* "$target"/var/cache/apt/* "$target"/var/cache/debconf/*-old
rm -rf "$target"/var/log/* "$target/debootstrap"
# These two belong to this machine, not to the image. The engine mounts its own when a container runs.
rm -f "$target/etc/resolv.conf" "$target/etc/hostname"
