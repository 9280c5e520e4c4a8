#!/bin/sh
# Hands a restore one file of PostgreSQL's log: fetch-wal.sh FOLDER FILE TARGET. What was received last is not a whole
# segment yet; PostgreSQL reads it as far as it goes.
set -eu

folder=$1 file=$2 target=$3

unpack() {
  # PostgreSQL takes any other failure for the end of the log, and would come up without the rest.
  zstd -dcq "$1" >"$target.part" || exit 126
  mv "$target.part" "$target"
}

if [ -f "$folder/archive/$file.zst" ]; then
  unpack "$folder/archive/$file.zst"
elif [ -f "$folder/incoming/$file" ]; then
  cp "$folder/incoming/$file" "$target"
elif [ -f "$folder/incoming/$file.partial" ]; then
  cp "$folder/incoming/$file.partial" "$target"
elif [ -f "$folder/archive/$file.partial.zst" ]; then
  # From before a gap: as far as it goes.
  unpack "$folder/archive/$file.partial.zst"
else
  exit 1
fi
