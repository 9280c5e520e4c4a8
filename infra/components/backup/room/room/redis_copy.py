"""Copies of Redis: the whole of it at one moment, as a file of Redis' own (RDB), proved by loading it."""

import time
from pathlib import Path
from typing import Any

from . import files, manifest, redis_server, scratch, verify
from .progress import call, say, step
from .redis_compare import differences, number
from .schedule import local_day
from .settings import BadBackup, RoomError, Settings

# How long Redis may take to hand over all that it has, in seconds.
TRANSFER_SECONDS = 900
PACKED = "dump.rdb.zst"


def take(settings: Settings, day: str | None = None, expected: int = 0) -> str:
    """Takes a copy as a replica does, and gives it its name. It is not proved yet. @returns its id

    @param day the day that it is for; default: today in the stack's zone.
    @param expected how large the last one was, in bytes.
    """
    started = time.monotonic()
    taken, identity = files.begin(settings.copies, "redis")
    partial = settings.copies / f"{identity}{files.PARTIAL}"
    files.check_space(settings.root, expected * 2)
    source = redis_server.source(settings)
    partial.mkdir(mode=0o700)
    try:
        before = redis_server.facts(source)
        check_version(before["version"])
        plain = partial / "dump.rdb"
        step(f"copying Redis ({before['keys']} keys)")

        def watch() -> None:
            written = plain.stat().st_size if plain.exists() else 0
            say("progress", bytes=written, of=max(expected, written))

        call(
            ["timeout", "--signal=KILL", str(TRANSFER_SECONDS), *source.command("--rdb", str(plain))],
            "Redis could not be copied",
            source.environment,
            watch=watch,
        )
        after = redis_server.facts(source)
        call(["zstd", "-q", "--rm", "-o", str(partial / PACKED), str(plain)], "The copy of Redis could not be packed")
        path = partial / PACKED
        manifest.write(
            partial,
            {
                "format": manifest.FORMAT,
                "id": identity,
                "kind": "redis",
                "stack": settings.stack,
                "takenAt": taken.isoformat(timespec="seconds"),
                "day": day or local_day(taken, settings.zone).isoformat(),
                "zone": settings.zone,
                "seconds": round(time.monotonic() - started, 1),
                "server": {"version": before["version"], "runId": before["runId"]},
                "tool": f"redis-cli {redis_server.version()}",
                "before": before,
                "after": after,
                "files": [{"file": path.name, "bytes": path.stat().st_size, "sha256": files.sha256(path)}],
            },
        )
        files.publish(partial, settings.copies / identity)
    except BaseException:
        files.remove(partial)
        raise
    return identity


def check_version(theirs: str) -> None:
    """@throws RoomError for a server that is newer than this room's programs"""
    own = redis_server.version()
    if number(theirs) > number(own):
        raise RoomError(
            f"Redis {theirs} is newer than this room's own ({own}), which may not read its copies.",
            "The room has Redis from omniai:redisImage: deploy the stack again (npm run up).",
        )


def prove(settings: Settings, identity: str) -> None:
    """Loads the copy into a Redis of the room's own and compares; only then it counts. @throws RoomError"""
    started = time.monotonic()
    folder = settings.copies / identity
    found = manifest.read(folder)
    step("checking the files")
    verify.check_files(folder, found)
    with scratch.workspace(settings, f"verify-{identity}") as work:
        with loaded(settings, work, folder, found) as target:
            step("comparing")
            own = redis_server.facts(target)
            lines = differences(found["before"], found["after"], own)
            if lines:
                raise BadBackup(identity, f"Backup {identity} does not have what Redis had:\n" + "\n".join(lines))
            kinds = redis_server.kinds(target)
    tool = f"redis-server {redis_server.version()}"
    verify.mark(folder, found, started, tables=len(kinds), rows=own["keys"], events=own["events"], tool=tool)


def loaded(settings: Settings, work: Path, folder: Path, found: manifest.Manifest) -> Any:
    """A Redis of the room's own with the copy in it; for a with block."""
    data = work / "data"
    data.mkdir(mode=0o700)
    step("loading it into a scratch Redis")
    packed = str(folder / PACKED)
    call(["zstd", "-dq", "-o", str(data / "dump.rdb"), packed], f"Backup {found['id']} could not be unpacked")
    return redis_server.running(settings, work, data)
