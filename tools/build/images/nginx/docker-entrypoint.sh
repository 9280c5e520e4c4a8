#!/bin/sh
# Runs what lies in /docker-entrypoint.d before nginx starts, in order of name: *.sh is executed, *.envsh is read into
# this shell so that it can set variables.
set -eu

say() {
  [ -n "${NGINX_ENTRYPOINT_QUIET_LOGS:-}" ] || echo "$0: $*"
}

case "${1:-}" in
  nginx | nginx-debug)
    for script in /docker-entrypoint.d/*; do
      [ -e "$script" ] || continue
      case $script in
        *.envsh)
          if [ -x "$script" ]; then say "reading $script"; . "$script"; else say "$script is not executable: left out"; fi ;;
        *.sh)
          if [ -x "$script" ]; then say "running $script"; "$script"; else say "$script is not executable: left out"; fi ;;
        *) say "$script is neither *.sh nor *.envsh: left out" ;;
      esac
    done ;;
esac

exec "$@"
