# In front of every step: a POSIX shell as root, on Debian or Ubuntu. A step says what it changed, and nothing else
# changes anything: run twice, the second time says "unchanged".
set -eu
CHANGED=no
changed() { CHANGED=yes; echo "changed: $*"; }
finish() { [ "$CHANGED" = yes ] || echo unchanged; }
fail() { echo "$*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || fail "This step needs root: log in as root, or give the user sudo without a password."
. /etc/os-release
case " $ID ${ID_LIKE:-} " in
*" debian "* | *" ubuntu "*) ;;
*) fail "This host runs $ID; it is prepared on Debian and Ubuntu only. Prepare it by hand and set omniai:hostPrepare to false." ;;
esac

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# install PACKAGE...: those that are missing.
install() {
  missing=
  for package in "$@"; do installed "$package" || missing="$missing $package"; done
  [ -n "$missing" ] || return 0
  export DEBIAN_FRONTEND=noninteractive
  # The lists of the last hour will do: every step would fetch them again.
  [ -n "$(find /var/lib/apt/lists/partial -maxdepth 0 -mmin -60 2>/dev/null)" ] ||
    apt-get -q -o DPkg::Lock::Timeout=300 update >/dev/null
  # shellcheck disable=SC2086
  apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends $missing >/dev/null
  changed "installed$missing"
}

# put FILE MODE: writes standard input there, unless it is there already. True when it has changed.
put() {
  new=$(mktemp)
  cat > "$new"
  chmod "$2" "$new"
  if [ -f "$1" ] && cmp -s "$new" "$1" && [ "$(stat -c %a "$1")" = "$2" ]; then
    rm "$new"
    return 1
  fi
  mkdir -p "$(dirname "$1")"
  # Renamed within one file system, so that nobody reads half of it.
  cp -p "$new" "$1.new" && rm "$new" && mv "$1.new" "$1"
  changed "wrote $1"
}

has_systemd() { [ -d /run/systemd/system ]; }

# enable_unit UNIT: now and at every start. Said where there is no systemd to do it.
enable_unit() {
  if ! has_systemd; then
    echo "left out: there is no systemd here, so that nothing starts $1"
  elif ! systemctl -q is-enabled "$1" 2>/dev/null || ! systemctl -q is-active "$1"; then
    systemctl -q enable --now "$1"
    changed "enabled $1"
  fi
}
