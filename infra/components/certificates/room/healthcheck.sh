#!/bin/sh
# Says whether the room's loop turns. Whether there is a certificate is no part of it: the edge serves without one, and a
# deploy must not wait for an authority. A shell, because it runs often and Python would cost more than the room.
set -eu

readonly beat=/run/room/state.json
readonly oldest_minutes=2

if [ -z "$(find "$beat" -mmin "-$oldest_minutes" 2>/dev/null)" ]; then
  echo "the loop of the room for certificates has not reported for $oldest_minutes minutes"
  exit 1
fi
