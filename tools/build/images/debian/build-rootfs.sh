#!/bin/sh
# Lays a slim Debian into an empty folder, as debian:trixie-slim has it: minbase, no documentation, no locales.
# Usage: build-rootfs.sh SUITE TARGET [MIRROR [SECURITY_MIRROR]]. Needs root and debootstrap.
set -eu

suite=$1
target=$2
mirror=${3:-}
security=${4:-}

# A debootstrap older than the suite has no script of that name; the one for unstable fits every newer suite.
script=
if [ ! -e "/usr/share/debootstrap/scripts/$suite" ]; then
  script=/usr/share/debootstrap/scripts/sid
fi

# The signatures are always checked: without Debian's keyring this stops here.
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
if [ ! -e "$keyring" ]; then
  echo "Debian's keyring $keyring is missing: install the package debian-archive-keyring." >&2
  exit 1
fi

# debootstrap takes its arguments by place, so its own default mirror is had only by leaving mirror and script out.
if [ -n "$mirror" ]; then
  debootstrap --keyring="$keyring" --variant=minbase --include=ca-certificates "$suite" "$target" "$mirror" ${script:+"$script"}
elif [ -z "$script" ]; then
  debootstrap --keyring="$keyring" --variant=minbase --include=ca-certificates "$suite" "$target"
else
  echo "This debootstrap does not know $suite, and no Debian mirror was found in the configuration of apt." >&2
  exit 1
fi

if [ -n "$mirror" ]; then
  echo "deb $mirror $suite-updates main" >>"$target/etc/apt/sources.list"
fi
if [ -n "$security" ]; then
  echo "deb $security $suite-security main" >>"$target/etc/apt/sources.list"
fi

# What this machine was made to trust beyond Debian's own list, the authority of a proxy for example, is what its
# containers meet too: package registries while an image is built, other services while it runs.
trusted=/usr/local/share/ca-certificates
if [ -n "$(find "$trusted" -name '*.crt' 2>/dev/null)" ]; then
  cp -R "$trusted/." "$target$trusted/"
  chroot "$target" update-ca-certificates >/dev/null
fi

# What the images add later leaves out the same files.
cat >"$target/etc/dpkg/dpkg.cfg.d/slim" <<'CONF'
path-exclude=/usr/share/doc/*
path-include=/usr/share/doc/*/copyright
path-exclude=/usr/share/man/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
CONF
# A mirror that falls silent is asked again: apt's own patience is minutes.
cat >"$target/etc/apt/apt.conf.d/slim" <<'CONF'
Acquire::Languages "none";
Acquire::http::Timeout "20";
Acquire::Retries "3";
CONF

# A container has no init system: no package may start its service while an image is built.
printf '#!/bin/sh\nexit 101\n' >"$target/usr/sbin/policy-rc.d"
chmod 755 "$target/usr/sbin/policy-rc.d"

find "$target/usr/share/doc" -type f ! -name copyright -delete
rm -rf "$target"/usr/share/man/* "$target"/usr/share/info/* "$target"/usr/share/locale/*
rm -rf "$target"/var/lib/apt/lists/* "$target"/var/cache/apt/* "$target"/var/cache/debconf/*-old
rm -rf "$target"/var/log/* "$target/debootstrap"
# These two are the machine's, not the image's; the engine mounts its own at run time.
rm -f "$target/etc/resolv.conf" "$target/etc/hostname"
