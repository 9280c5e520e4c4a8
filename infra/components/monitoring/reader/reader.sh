#!/bin/sh
# Writes what the kernel knows of the stack's containers as metrics, again and again. It asks no engine: it reads the
# control groups, which show numbers to everybody and can be changed by nobody here. Which group is which container
# stands in a list that every deploy writes, and beside it what else a deploy knows of the stack, as metrics.
# Usage: reader.sh LISTS CGROUPS OUT SECONDS
set -u
list=$1/containers stack=$1/stack.prom cgroups=$2 out=$3 every=$4

# The value after a word in a file of lines "word value".
value() {
  while read -r word number _; do
    if [ "$word" = "$2" ]; then
      echo "$number"
      return
    fi
  done <"$1" 2>/dev/null
  echo 0
}

# The group of a container in one controller (version 1) or in all (version 2, where the controller is empty).
group() {
  for path in "$cgroups$2/docker/$1" "$cgroups$2/system.slice/docker-$1.scope"; do
    if [ -d "$path" ]; then
      echo "$path"
      return
    fi
  done
}

first() {
  read -r line <"$1" 2>/dev/null && echo "$line" || echo 0
}

metric() {
  printf 'omniai_container_%s{%s} %s\n' "$1" "$labels" "$2"
}

one() {
  if [ -e "$cgroups/cgroup.controllers" ]; then
    memory=$(group "$1" "")
  else
    memory=$(group "$1" /memory)
  fi
  if [ -z "$memory" ]; then
    metric up 0
    return
  fi
  metric up 1
  # Every start makes a new group, so another number is a restart; another container of the same name is none.
  printf 'omniai_container_start_id{%s,id="%.12s"} %s\n' "$labels" "$1" "$(stat -c %i "$memory")"
  if [ -e "$memory/memory.current" ]; then
    used=$(first "$memory/memory.current") limit=$(first "$memory/memory.max")
    inactive=$(value "$memory/memory.stat" inactive_file)
    metric oom_kills_total "$(value "$memory/memory.events" oom_kill)"
    metric paused "$(value "$memory/cgroup.events" frozen)"
    metric cpu_microseconds_total "$(value "$memory/cpu.stat" usage_usec)"
    metric cpu_throttled_microseconds_total "$(value "$memory/cpu.stat" throttled_usec)"
  else
    used=$(first "$memory/memory.usage_in_bytes") limit=$(first "$memory/memory.limit_in_bytes")
    inactive=$(value "$memory/memory.stat" total_inactive_file)
    metric oom_kills_total "$(value "$memory/memory.oom_control" oom_kill)"
    case $(first "$(group "$1" /freezer)/freezer.state") in
    FROZEN | FREEZING) metric paused 1 ;;
    *) metric paused 0 ;;
    esac
    metric cpu_microseconds_total "$(($(first "$(group "$1" /cpuacct)/cpuacct.usage") / 1000))"
    metric cpu_throttled_microseconds_total "$(($(value "$(group "$1" /cpu)/cpu.stat" throttled_time) / 1000))"
  fi
  metric memory_bytes "$((used - inactive))"
  [ "$limit" = max ] || metric memory_limit_bytes "$limit"
}

all() {
  while read -r id name workload replica; do
    labels="container=\"$name\",workload=\"$workload\",replica=\"$replica\""
    one "$id"
  done <"$list"
  [ ! -e "$stack" ] || cat "$stack"
  printf 'omniai_reader_timestamp_seconds %s\n' "$(date +%s)"
}

# Told to stop, it stops at once, and not after its pause.
trap 'exit 0' TERM INT
while :; do
  # Only a whole file counts.
  all >"$out.next" && mv -f "$out.next" "$out"
  sleep "$every" &
  wait $!
done
