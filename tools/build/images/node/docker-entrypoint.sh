#!/bin/sh
# Passes a flag, or anything that is not a command, to node: `docker run node:24 server.js` runs server.js.
set -eu

case "${1:-}" in
  -*) set -- node "$@" ;;
  *)
    if [ -z "$(command -v "${1:-}" || true)" ] || { [ -f "$1" ] && [ ! -x "$1" ]; }; then
      set -- node "$@"
    fi ;;
esac

exec "$@"
