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

# pg_receivewal makes a new segment as long as it has to be, with zeros, before it writes into it. A copy from that moment is shorter, and
# PostgreSQL refuses it where it would take none at all for the end of the log. A segment that has something in it begins with a number.
begun() {
  case "$(od -An -tx1 -N2 "$target" | tr -d ' ')" in
  "" | 00 | 0000)
    rm -f "$target"
    exit 1
    ;;
  esac
}

copy() {
  if cp "$1" "$target"; then return; fi
  if [ -e "$1" ]; then exit 126; fi
  # It has got another name or another place meanwhile.
  exec sh "$0" "$folder" "$file" "$target"
}

if [ -f "$folder/archive/$file.zst" ]; then
  unpack "$folder/archive/$file.zst"
elif [ -f "$folder/incoming/$file" ]; then
  copy "$folder/incoming/$file"
elif [ -f "$folder/incoming/$file.partial" ]; then
  copy "$folder/incoming/$file.partial"
  begun
elif [ -f "$folder/archive/$file.partial.zst" ]; then
  # From before a gap: as far as it goes.
  unpack "$folder/archive/$file.partial.zst"
  begun
else
  exit 1
fi
