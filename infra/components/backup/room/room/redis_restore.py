"""Brings a copy of Redis back: into a Redis of the room's own, under a new epoch, as the files that a server starts from."""

import secrets
import shutil
import time
from pathlib import Path
from typing import Any

from . import catalog, files, lock, manifest, redis_compare, redis_copy, redis_server, scratch, work
from .progress import call, step
from .settings import RoomError, Settings

# Where a restored Redis waits to be put in place of the stack's own.
KEPT = "restored-redis"
REWRITE_SECONDS = 300

# What came after the copy was taken has been seen by clients, under ids that come again: with the old epoch they would miss
# what is new in silence. So the entries and the keys of publishers that tried again go on under a new one, and each
# client is told to begin anew, once. KEYS: meta, stream, a free name; ARGV: the new epoch.
NEW_EPOCH = """
local old = redis.call('HGET', KEYS[1], 'epoch')
if not old then return 0 end
redis.call('HSET', KEYS[1], 'epoch', ARGV[1])
local moved, last = 0, nil
if redis.call('EXISTS', KEYS[2]) == 1 then
  local info = redis.call('XINFO', 'STREAM', KEYS[2])
  for i = 1, #info, 2 do if info[i] == 'last-generated-id' then last = info[i + 1] end end
end
while last do
  local part = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 500)
  if #part == 0 then break end
  for _, entry in ipairs(part) do
    local fields = entry[2]
    for i = 1, #fields, 2 do
      if fields[i] == 'e' and fields[i + 1] == old then fields[i + 1] = ARGV[1] end
    end
    redis.call('XADD', KEYS[3], entry[1], unpack(fields))
    redis.call('XDEL', KEYS[2], entry[1])
    moved = moved + 1
  end
end
if moved > 0 then
  redis.call('RENAME', KEYS[3], KEYS[2])
  redis.call('XSETID', KEYS[2], last)
end
local cursor = '0'
repeat
  local reply = redis.call('SCAN', cursor, 'MATCH', 'omniai:events:once:*', 'COUNT', 500)
  cursor = reply[1]
  for _, key in ipairs(reply[2]) do
    local print, epoch, id = string.match(redis.call('GET', key) or '', '^(%S+) (%S+) (%S+)$')
    if epoch == old then redis.call('SET', key, print .. ' ' .. ARGV[1] .. ' ' .. id, 'KEEPTTL') end
  end
until cursor == '0'
return moved
"""


def pick(settings: Settings, identity: str | None) -> catalog.Backup:
    """The named copy, or the newest verified one. @throws RoomError that says what there is"""
    if identity is not None:
        return catalog.choose(settings, identity)
    good = catalog.proved(catalog.copies(settings))
    if not good:
        raise RoomError("There is no verified copy of Redis.", "Take one: npm run backup.")
    return good[0]


def beside(settings: Settings, identity: str | None, keep: bool) -> dict[str, Any]:
    """Restores and compares; nothing of the stack is touched. @returns what differs from the stack now

    @param keep leaves the files that a Redis starts from, flushed, where a replacement takes them from.
    """
    started = time.monotonic()
    with lock.held(settings, "a restore of Redis"):
        work.clear_leftovers(settings)
        chosen = pick(settings, identity)
        found = readable(settings, chosen)
        # As of PostgreSQL: a look takes nothing away.
        if keep:
            files.remove(settings.root / KEPT)
        try:
            with scratch.workspace(settings, f"restore-{chosen.id}") as folder:
                with redis_copy.loaded(settings, folder, chosen.folder, found) as target:
                    own = redis_server.facts(target)
                    lines = redis_compare.differences(found["before"], found["after"], own)
                    if lines:
                        raise RoomError(f"Backup {chosen.id} does not have what Redis had:\n" + "\n".join(lines))
                    if keep:
                        renew(target)
                        write_append_only(target)
                answer = {**compare(settings, own), "until": found["takenAt"], "store": "redis"}
                if keep:
                    answer["mark"] = finish(settings, folder / "data", found)
        except OSError as error:
            raise files.in_words(error) from error
        return {"backup": catalog.as_json(chosen), "seconds": round(time.monotonic() - started, 1), **answer}


def readable(settings: Settings, chosen: catalog.Backup) -> manifest.Manifest:
    """@throws RoomError for a copy that cannot be restored, before anything is touched"""
    found = work.undamaged(settings, chosen)
    if found["kind"] != "redis":
        raise RoomError(f"Backup {chosen.id} is no copy of Redis.", "npm run backup -- list shows all.")
    theirs, own = found["server"]["version"], redis_server.version()
    if redis_compare.number(theirs) > redis_compare.number(own):
        raise RoomError(
            f"Backup {chosen.id} is of Redis {theirs}, and this stack has Redis {own}, which may not read it.",
            f"Set omniai:redisImage to an image of Redis {theirs}, deploy (npm run up), and restore again.",
        )
    work.check_whole(settings, chosen, lambda: [found])
    return found


def renew(target: redis_server.Address) -> None:
    step("beginning a new epoch of the event log")
    # The letter tells it from those that the service makes.
    epoch = f"{secrets.token_hex(5)}r"
    target.ask("EVAL", NEW_EPOCH, "3", redis_server.META, redis_server.STREAM, f"{redis_server.STREAM}:restored", epoch)


def write_append_only(target: redis_server.Address) -> None:
    """A Redis with an append-only file starts from that alone, and not from a copy beside it: so one is made of it."""
    step("writing the append-only file")
    target.ask("CONFIG", "SET", "appendonly", "yes")
    end = time.monotonic() + REWRITE_SECONDS
    while time.monotonic() < end:
        info = dict(line.split(":", 1) for line in target.ask("INFO", "persistence") if ":" in line)
        state = {key: value.strip() for key, value in info.items()}
        if state["aof_rewrite_in_progress"] == "0" and state["aof_rewrite_scheduled"] == "0":
            if state["aof_enabled"] == "1" and state["aof_last_bgrewrite_status"] == "ok":
                return
            break
        time.sleep(0.2)
    raise RoomError("The scratch Redis could not write its append-only file.", "Look whether the backup volume is full.")


def compare(settings: Settings, own: dict[str, Any]) -> dict[str, Any]:
    """Keys and events: restored, and in the stack now. Without a Redis to ask, that is what is said."""
    step("comparing with what the stack has now")
    labels = {"keys": "redis: keys", "events": "redis: events in the log", "count": "redis: number of the newest event"}
    summary = {"tables": len(labels), "rows": own["keys"]}
    try:
        now = redis_server.facts(redis_server.source(settings))
    except RoomError as error:
        return {**summary, "changes": [], "notCompared": error.what}
    changes = [
        {"table": label, "backup": own[key], "now": now[key]} for key, label in labels.items() if own[key] != now[key]
    ]
    return {**summary, "changes": changes}


def finish(settings: Settings, data: Path, found: manifest.Manifest) -> str:
    """Keeps only the append-only file, flushed. @returns the mark of what is kept"""
    kept = settings.root / KEPT
    partial = kept.with_name(f"{kept.name}{files.PARTIAL}")
    shutil.rmtree(partial, ignore_errors=True)
    (partial / "data").mkdir(mode=0o700, parents=True)
    (data / "appendonlydir").rename(partial / "data" / "appendonlydir")
    call(["sync", "-f", str(partial / "data")], "The restored Redis could not be flushed")
    mark = files.write_restored(partial, found)
    files.publish(partial, kept)
    return mark
