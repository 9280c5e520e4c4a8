#!/bin/sh
# Starts Redis as the official image does: flags or a configuration file are handed to redis-server, root becomes redis.
set -eu

case "${1:-}" in
  -* | *.conf) set -- redis-server "$@" ;;
esac

if [ "${1:-}" = redis-server ]; then
  if [ "$(id -u)" = 0 ] && [ -z "${SKIP_DROP_PRIVS:-}" ]; then
    [ -n "${SKIP_FIX_PERMS:-}" ] || find . \! -user redis -exec chown redis:redis '{}' +
    exec setpriv --reuid=redis --regid=redis --init-groups -- "$0" "$@"
  fi

  # Other users have no business with the data.
  [ "$(umask)" != 0022 ] || umask 0077

  # The official server is compiled with protected mode off: in a container the network is the border. Debian's is
  # not, so the flag is given, unless the command line or the configuration file says something about it.
  said=no
  for argument in "$@"; do
    case $argument in
      --protected-mode) said=yes ;;
      *.conf) if [ -r "$argument" ] && grep -q '^[[:space:]]*protected-mode' "$argument"; then said=yes; fi ;;
      -h | --help | -v | --version | --test-memory | --check-system) said=yes ;;
    esac
  done
  [ "$said" = yes ] || set -- "$@" --protected-mode no
fi

exec "$@"
