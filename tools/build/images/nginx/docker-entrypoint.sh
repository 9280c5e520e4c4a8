#!/bin/sh
# Runs the scripts in /docker-entrypoint.d in the order of their names, then starts nginx. *.sh is executed; *.envsh is
# sourced, so that it can set variables.
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
          # shellcheck source=/dev/null # users mount these scripts
          if [ -x "$script" ]; then say "sourcing $script"; . "$script"; else say "ignoring $script, because it is not executable"; fi ;;
        *.sh)
          if [ -x "$script" ]; then say "running $script"; "$script"; else say "ignoring $script, because it is not executable"; fi ;;
        *) say "ignoring $script, because it is neither *.sh nor *.envsh" ;;
      esac
    done ;;
esac

exec "$@"
