"""Takes a portable dump of the whole server: each database by pg_dump, the roles by pg_dumpall, from one moment each."""

import subprocess
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from . import external, files, manifest, server, status
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
        about, names, roles = look(settings)
        with nullcontext() if settings.external is None else external.explained(settings):
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
                **({} if settings.external is None else {"external": {"host": settings.host, "database": settings.external}}),
                **found,
            },
        )
        files.publish(partial, final)
    except BaseException:
        files.remove(partial)
        raise
    return identity


def look(settings: Settings) -> tuple[server.Facts, list[str], server.Facts]:
    """@returns the server, the databases that are taken, and the roles. @throws RoomError"""
    with server.source(settings) as connection:
        if settings.external is None:
            return server.describe(connection), server.databases(connection), server.roles(connection)
        # Of a server of others one database is the stack's, and the verifiers are for nobody to read.
        about = external.describe(connection, settings)
        status.add_system(settings, about["systemId"])
        return about, [settings.external], server.roles(connection, verifiers=False)


def describe_file(path: Path) -> dict[str, Any]:
    files.sync(path)
    return {"file": path.name, "bytes": path.stat().st_size, "sha256": files.sha256(path)}


def dump_globals(settings: Settings, folder: Path) -> dict[str, Any]:
    """Roles and tablespaces, with their password verifiers: whoever has the backup has the data anyway."""
    plain = folder / "globals.sql"
    less = [] if settings.external is None else external.globals_arguments(settings)
    with plain.open("wb") as file:
        command = ["pg_dumpall", "--globals-only", "--no-password", *less]
        call(command, "The roles could not be dumped", server.source_environment(settings), stdout=file)
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
            # The gate, and whatever else is between, gives up a connection on which nothing is said.
            server.one(connection, "SELECT 1")

        call(
            [
                *("pg_dump", "--format=custom", "--compress=zstd:3", "--no-password", f"--lock-wait-timeout={server.LOCK_WAIT}"),
                *(f"--snapshot={snapshot}", f"--file={path}", f"--dbname={server.as_database(name)}"),
            ],
            f"Database {name} could not be dumped",
            server.source_environment(settings),
            watch=watch,
        )
        step(f"counting the rows of {name}", database=name)
        contents = server.contents(connection)
        beside = {} if settings.external is None else external.beside(connection)
        # A sequence does not stand still in a snapshot. What the dump has lies between these two.
        sequences = {"sequences": before, "sequencesAfter": contents["sequences"]}
    # A dump that was cut off may look whole from outside.
    call(["pg_restore", "--list", str(path)], f"The dump of {name} cannot be read", stdout=subprocess.DEVNULL)
    return {"name": name, "size": size, **contents, **sequences, **beside, **describe_file(path)}
