#!/bin/sh
# What is no command, or is a flag, is handed to node: `docker run node:24 server.js` runs it.
set -eu

case "${1:-}" in
  -*) set -- node "$@" ;;
  *)
    if [ -z "$(command -v "${1:-}" || true)" ] || { [ -f "$1" ] && [ ! -x "$1" ]; }; then
      set -- node "$@"
    fi ;;
esac

exec "$@"
