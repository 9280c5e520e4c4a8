"""Takes a portable dump of the whole server: each database by pg_dump, the roles by pg_dumpall, from one moment each."""

import subprocess
import time
from pathlib import Path
from typing import Any

from . import files, manifest, server
from .progress import call, say, step
from .schedule import local_day
from .settings import Settings

def take(settings: Settings, day: str | None = None, expected: int = 0) -> str:
    """Takes a dump and gives it its name. It is not proved yet. @returns its id

    @param day the day that it is for; default: today in the stack's zone.
    @param expected how large the last one was, in bytes.
    """
    started = time.monotonic()
    taken, identity = files.begin(settings.dumps, "dump")
    final = settings.dumps / identity
    partial = settings.dumps / f"{identity}{files.PARTIAL}"
    files.check_space(settings.root, expected)
    partial.mkdir(mode=0o700)
    try:
        with server.source(settings) as connection:
            about = server.describe(connection)
            names = server.databases(connection)
            roles = server.roles(connection)
        step("taking the roles")
        found = {"globals": dump_globals(settings, partial)}
        found["databases"] = [
            dump_database(settings, partial, name, number) for number, name in enumerate(names, start=1)
        ]
        manifest.write(
            partial,
            {
                "format": manifest.FORMAT,
                "id": identity,
                "kind": "dump",
                "stack": settings.stack,
                "takenAt": taken.isoformat(timespec="seconds"),
                "day": day or local_day(taken, settings.zone).isoformat(),
                "zone": settings.zone,
                "seconds": round(time.monotonic() - started, 1),
                "server": about,
                "tool": server.tool_version("pg_dump"),
                "roles": roles,
                **found,
            },
        )
        files.publish(partial, final)
    except BaseException:
        files.remove(partial)
        raise
    return identity


def describe_file(path: Path) -> dict[str, Any]:
    files.sync(path)
    return {"file": path.name, "bytes": path.stat().st_size, "sha256": files.sha256(path)}


def dump_globals(settings: Settings, folder: Path) -> dict[str, Any]:
    """Roles and tablespaces, with their password verifiers: whoever has the backup has the data anyway."""
    plain = folder / "globals.sql"
    environment = server.tool_environment(settings.host, settings.port, settings.user)
    with plain.open("wb") as file:
        call(["pg_dumpall", "--globals-only", "--no-password"], "The roles could not be dumped", environment, stdout=file)
    packed = folder / "globals.sql.zst"
    call(["zstd", "-q", "--rm", "-o", str(packed), str(plain)], "The roles could not be packed")
    return describe_file(packed)


def dump_database(settings: Settings, folder: Path, name: str, number: int) -> dict[str, Any]:
    """One database. Rows are counted in the dump's own snapshot, so they are exactly those in the file."""
    path = folder / f"{number}.dump"
    with server.source(settings, name) as connection:
        snapshot = server.begin_snapshot(connection)
        size = server.one(connection, "SELECT pg_database_size(current_database())")
        step(f"dumping {name}", database=name, of=size)

        before = server.sequences(connection)

        def watch() -> None:
            written = path.stat().st_size if path.exists() else 0
            say("progress", database=name, bytes=written, of=size)

        call(
            [
                *("pg_dump", "--format=custom", "--compress=zstd:3", "--no-password", f"--lock-wait-timeout={server.LOCK_WAIT}"),
                *(f"--snapshot={snapshot}", f"--file={path}", f"--dbname={name}"),
            ],
            f"Database {name} could not be dumped",
            server.tool_environment(settings.host, settings.port, settings.user),
            watch=watch,
        )
        step(f"counting the rows of {name}", database=name)
        contents = server.contents(connection)
        # A sequence does not stand still in a snapshot. What the dump has lies between these two.
        sequences = {"sequences": before, "sequencesAfter": contents["sequences"]}
    # A dump that was cut off may look whole from outside.
    call(["pg_restore", "--list", str(path)], f"The dump of {name} cannot be read", stdout=subprocess.DEVNULL)
    return {"name": name, "size": size, **contents, **sequences, **describe_file(path)}
