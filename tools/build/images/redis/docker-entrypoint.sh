#!/bin/sh
# Starts Redis as the official image does: passes flags or a configuration file to redis-server, and changes from root
# to the user redis.
set -eu

case "${1:-}" in
  -* | *.conf) set -- redis-server "$@" ;;
esac

if [ "${1:-}" = redis-server ]; then
  if [ "$(id -u)" = 0 ] && [ -z "${SKIP_DROP_PRIVS:-}" ]; then
    [ -n "${SKIP_FIX_PERMS:-}" ] || find . \! -user redis -exec chown redis:redis '{}' +
    exec setpriv --reuid=redis --regid=redis --init-groups -- "$0" "$@"
  fi

  # Other users may not read the data.
  [ "$(umask)" != 0022 ] || umask 0077

  # The official server is compiled with protected mode off, because a container's network already protects it. Debian's
  # server is not, so the flag is added here, unless the command line or the configuration file sets it.
  is_set=no
  for argument in "$@"; do
    case $argument in
      --protected-mode) is_set=yes ;;
      *.conf) if [ -r "$argument" ] && grep -q '^[[:space:]]*protected-mode' "$argument"; then is_set=yes; fi ;;
      -h | --help | -v | --version | --test-memory | --check-system) is_set=yes ;;
    esac
  done
  [ "$is_set" = yes ] || set -- "$@" --protected-mode no
fi

exec "$@"
