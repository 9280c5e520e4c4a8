#!/bin/bash
# The engine's probe, every few seconds: asks this replica's internal port whether it is ready. As long as it is, and no
# probe was missed before, this shell is all that it takes: Node would need 16 MiB of the replica's memory each time, and a
# core for a while. Everything else (what is wrong, in words; a replica that hangs) is healthcheck.mjs' work.
port=${OMNIAI_INTERNAL_PORT:-9000}
# What is asked, of the service's probes; another one where the check is given its name.
export PROBE=${1:-readyz}
whole() { exec node service/healthcheck.mjs "$@"; }

# What the last check has left: not there before the first, and not 0 while probes are missed.
state=${TMPDIR:-/tmp}/omniai-healthcheck.json
[[ -r $state ]] && known=$(<"$state")
[[ $known == *'"misses":0'* ]] || whole

# Refused: it does not listen yet, or not any more.
{ exec 3<>"/dev/tcp/127.0.0.1/$port"; } 2>/dev/null || whole
# A connection that is reset meanwhile would end this shell, or put bash's own words into the answer.
trap '' PIPE
# 1.0: the body is not sent in chunks, and the connection ends with it.
printf 'GET /%s HTTP/1.0\r\nHost: 127.0.0.1:%s\r\n\r\n' "$PROBE" "$port" 2>/dev/null >&3 || whole
# As long as healthcheck.mjs waits for it; that is told of this miss, and asks once more.
read -r -t 1.5 -u 3 _ status _ 2>/dev/null
said=$?
((said > 128)) && whole 1
# Closed without an answer: the replica starts or ends by itself, so that is no miss.
((said == 0)) || whole
[[ $status == 200 ]] || whole
while IFS= read -r -t 1.5 -u 3 line 2>/dev/null; do :; done
# The body is the last line, and has no end of line.
[[ $line == '{"status":"pass"'* ]] || whole
echo "200 pass"
